"""A worker: polls a task queue, and works on its runs with the code that it was started with.

The one module of `dspex` that imports the workflows and activities.
"""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

from temporalio.client import Client as TemporalClient
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from dspex.bridge import on_engine
from dspex.clients import drain
from dspex.errors import DSPyError
from dspex.runner.imports import AllowedModules
from dspex.store import Store
from dspex.temporal.contracts.optimize import DEFAULT_TASK_QUEUE
from dspex_activities import RunCache, all_activities
from dspex_workflows import ALL_WORKFLOWS

CHUNKS_AT_ONCE = 16
"""Activities in flight on one worker. Each holds dozens of calls; the LM client bounds those."""

_DRAIN = timedelta(seconds=30)

# Thousands of examples in flight are what Python's garbage collector looks through, again and again, for cycles that
# are not there: with its usual thresholds (700, 10, 10) for a third of a worker's time. This many new objects take a
# few dozen megabytes at the most, should all of them be garbage.
_COLLECT_AFTER = (50_000, 10, 10)

# A dead worker's workflows move on as soon as these pass; the defaults (10 s) would stall a run for longer.
_STICKY = timedelta(seconds=2)

# By default the SDK holds heartbeats back for most of their timeout, and one lost then would end the attempt.
_HEARTBEAT = timedelta(seconds=1)


def make_worker(
    client: TemporalClient,
    imports: AllowedModules,
    *,
    store: Store | None = None,
    task_queue: str = DEFAULT_TASK_QUEUE,
    max_chunks: int = CHUNKS_AT_ONCE,
    max_cached_workflows: int = 200,
) -> Worker:
    """Make a worker that is not yet running: ``async with make_worker(...):`` runs it.

    Args:
        client: A connection made by `dspex.temporal.connection.connect`.
        imports: The only code that runs may name.
        store: The store that all workers of the queue share; by default the configured one.
        task_queue: The queue to poll.
        max_chunks: Activities in flight at once.
        max_cached_workflows: Workflows kept in memory; 0 replays at every task (for tests).
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=ALL_WORKFLOWS,
        activities=all_activities(RunCache(store or Store.open(), imports)),
        workflow_runner=sandbox(),
        workflow_failure_exception_types=[DSPyError],
        max_concurrent_activities=max_chunks,
        max_cached_workflows=max_cached_workflows,
        sticky_queue_schedule_to_start_timeout=_STICKY,
        max_heartbeat_throttle_interval=_HEARTBEAT,
        graceful_shutdown_timeout=_DRAIN,
    )


def sandbox() -> SandboxedWorkflowRunner:
    """Make the sandbox that workflows run in. It lets `dspex` itself through: its core is pure, and slow to import."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "dspex", "orjson", "greenlet", "httpx", "aiohttp", "tenacity", "sqlalchemy", "json_repair", "opentelemetry"
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)


async def serve(worker: Worker, stopped: asyncio.Event) -> None:
    """Run a worker until it is stopped, then finish what is in flight. For a process that does nothing else.

    Args:
        worker: The worker.
        stopped: Set it to stop the worker.
    """
    collect_garbage_seldom()
    async with worker:
        await stopped.wait()
    await on_engine(drain(_DRAIN.total_seconds()))


def collect_garbage_seldom() -> None:
    """Exclude all objects so far from garbage collection, and collect less often from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def replayer() -> Replayer:
    """Make a replayer of histories with the workflows, converter and sandbox of the workers."""
    return Replayer(
        workflows=ALL_WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=sandbox(),
        workflow_failure_exception_types=[DSPyError],
    )
