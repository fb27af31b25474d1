"""The backend ``temporal``: durable runs, done by the workers of a task queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from dspex.backend import BackendOptions, EvaluationRequest, OptimizationRequest
from dspex.clients.cost.budget import Budget
from dspex.evaluate.running import LiveEvaluation, run_over
from dspex.finetuning.request import FinetuneRequest
from dspex.primitives import Example, Module
from dspex.runner.estimate import Estimate, estimate
from dspex.runner.references import this_process
from dspex.teleprompt.optimizer import Optimizer
from dspex.temporal.client import Client
from dspex.worker.durable_run import DurableRun, state_before
from dspex.worker.durable_training import DurableTrainingTask
from dspex.worker.worker import make_worker

logger = logging.getLogger(__name__)


class TemporalBackend:
    """Runs that survive this process. A `dspex.backend.Backend`.

    Not durable are `Evaluate` on live objects (`evaluate`), and estimates, which run nothing.

    Args:
        options: The server, the store and the task queue.
    """

    def __init__(self, options: BackendOptions) -> None:
        self._options = options

    async def compile(
        self,
        optimizer: Optimizer[Any],
        student: Module,
        *,
        trainset: Sequence[Example],
        teacher: Module | None = None,
        valset: Sequence[Example] | None = None,
        budget: Budget | None = None,
    ) -> Module:
        """Optimize a program in a durable run.

        This process works on the run as one of its workers, since it has the code; others may join. When it dies, the
        run goes on with them, and the same call made again, by the same code on the same data, attaches to it.

        Args:
            optimizer: The optimizer, with its metric.
            student: The program to optimize; not changed.
            trainset: Examples with their input fields marked.
            teacher: Another program of the same structure to learn from.
            valset: Examples to compare candidates on.
            budget: What the run may spend at most.

        Returns:
            The optimized program.

        Raises:
            UsageError: program, metric or LM cannot be named to other processes; the message says how to change that.
            TemporalNotReachableError: no server answers.
            RunFailedError: the run failed.
        """
        client = await self._connect()
        imports = this_process()
        run = await client.compile(optimizer, student, trainset=trainset, teacher=teacher, valset=valset, budget=budget)
        logger.info("Durable run %s", run.id)
        async with make_worker(client.temporal, imports, store=client.store, task_queue=client.task_queue):
            result = await run.result()
        if result.stopped == "budget":
            logger.warning("The budget of %s is used up: this is the best program so far.", run.id)
        return result.load(imports)

    async def evaluate(self, program: Any, evaluation: LiveEvaluation) -> None:
        """Run a program on examples in this process, and not durably.

        An `Evaluate` holds live objects, many of which cannot be named to other processes, and gives back predictions.
        For an evaluation as a durable run there are ``dspex evaluate --durable`` and `Client.evaluate`.

        Args:
            program: A module, or any function of the examples' inputs.
            evaluation: The examples, and what collects the results. Raises as `run_over`.
        """
        await run_over(program, evaluation)

    async def estimate(
        self,
        optimizer: Optimizer[Any],
        student: Module,
        *,
        trainset: Sequence[Example],
        teacher: Module | None = None,
        valset: Sequence[Example] | None = None,
        score: bool = True,
    ) -> Estimate:
        """See `dspex.runner.estimate.estimate`."""
        return await estimate(optimizer, student, trainset=trainset, teacher=teacher, valset=valset, score=score)

    def finetune(self, request: FinetuneRequest, data: list[dict[str, Any]]) -> DurableTrainingTask:
        """Make the task that fine-tunes a model durably.

        Args:
            request: What to train.
            data: The rows to train on.
        """
        return DurableTrainingTask(request, data)

    async def start_optimization(self, request: OptimizationRequest) -> DurableRun:
        """Put the data into the store and start the run, or attach to the one of this id.

        Raises:
            UsageError: bad input, or another run has this id.
            TemporalNotReachableError: no server answers.
            StoreError: the store does not work.
        """
        client = await self._connect()
        await client.store.check()
        state, code = await state_before(client, request.run_id), request.code
        run = await client.optimize(
            code.ref,
            optimizer=request.optimizer,
            trainset=await request.trainset.put(client.store),
            valset=await request.valset.put(client.store) if request.valset is not None else None,
            teacher=code.teacher,
            metric=code.metric_name,
            lm=request.lm,
            id=request.run_id,
            budget=request.budget,
        )
        return DurableRun(client, run, state, code.modules)

    async def start_evaluation(self, request: EvaluationRequest) -> DurableRun:
        """As `start_optimization`, for an evaluation."""
        client = await self._connect()
        await client.store.check()
        code = request.code
        assert code.metric_name is not None
        run = await client.evaluate(
            code.ref,
            devset=await request.devset.put(client.store),
            metric=code.metric_name,
            lm=request.lm,
            id=request.run_id,
            batch=request.batch,
            budget=request.budget,
        )
        return DurableRun(client, run, "", code.modules)

    async def _connect(self) -> Client:
        options = self._options
        return await Client.connect(
            options.temporal, namespace=options.namespace, store=options.store, task_queue=options.task_queue
        )
