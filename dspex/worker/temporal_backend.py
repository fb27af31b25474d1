"""`Optimizer.compile` as a durable run, after ``dspex.configure(temporal=...)``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.runner.references import this_process
from dspex.temporal.client import Client
from dspex.worker.worker import make_worker

if TYPE_CHECKING:
    from dspex.clients.cost.budget import Budget
    from dspex.primitives import Example, Module
    from dspex.teleprompt.optimizer import Optimizer

logger = logging.getLogger(__name__)


async def compile_durably(
    optimizer: Optimizer[Any],
    student: Module,
    *,
    trainset: Sequence[Example],
    teacher: Module | None = None,
    valset: Sequence[Example] | None = None,
    budget: Budget | None = None,
) -> Module:
    """Optimize `student` in a durable run.

    This process works on the run as one of its workers, since it has the code; others may join. When it dies, the run
    goes on with them, and the same call made again, by the same code on the same data, attaches to it.

    Raises:
        UsageError: the program, metric or LM cannot be named to other processes; the message says how to change that.
        TemporalNotReachableError: no server answers.
        RunFailedError: the run failed.
    """
    client = await Client.connect()
    imports = this_process()
    run = await client.compile(optimizer, student, trainset=trainset, teacher=teacher, valset=valset, budget=budget)
    logger.info("Durable run %s", run.id)
    async with make_worker(client.temporal, imports, store=client.store, task_queue=client.task_queue):
        result = await run.result()
    if result.stopped == "budget":
        logger.warning("The budget of %s is used up: this is the best program so far.", run.id)
    return result.load(imports)
