"""Following a durable run: what it does, why it waits, how it ends. Leaving it does not end it."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.service import RPCError

from dspex.backend import RunObserver, RunProgress
from dspex.temporal.client import Client
from dspex.temporal.connection import TemporalNotReachableError
from dspex.temporal.contracts.optimize import DEFAULT_TASK_QUEUE, Progress
from dspex.temporal.run import Run, RunResult

_FIRST_MESSAGE = "starting"
"""What a run says in the moment before a worker looks at it: not worth a line."""
_SAID_BY_TITLE = ("evaluating: ", "evaluate")
_TITLES = {"baseline": "score before", "final": "score after"}


async def follow(client: Client, run: Run, observer: RunObserver, modules: Sequence[str] = ()) -> RunResult:
    """Show `observer` how `run` does until it ends, and return what it found.

    Args:
        client: The client that the run was started or found by.
        run: The run.
        observer: Shows it.
        modules: What a worker of this run must have imported, where that is known.

    Raises:
        RunFailedError: it failed, or was cancelled.
        TemporalNotReachableError: the server has been away for minutes.
    """
    try:
        await say_if_no_worker(client, observer, modules)
        await _watch(run, observer, start_a_worker(client, modules))
        return await run.result()
    except RPCError as error:
        raise TemporalNotReachableError(
            f"The Temporal server does not answer any more ({error.message}). The run is kept there; when it is back: "
            f"dspex runs watch {run.id}"
        ) from error


async def say_if_no_worker(client: Client, observer: RunObserver, modules: Sequence[str] = ()) -> None:
    """Say that a run waits, and how to go on, if no worker polls the task queue.

    Args:
        client: The client, which has the task queue.
        observer: Shows it.
        modules: The modules that a worker must have imported.
    """
    if not await client.polled():
        advice = start_a_worker(client, modules)
        observer.say(f"waiting: no worker polls the task queue {client.task_queue!r}. {advice}")


def start_a_worker(client: Client, modules: Sequence[str]) -> str:
    """Return advice on how to start a worker.

    Args:
        client: The client, which has the task queue.
        modules: The modules that the worker must import.
    """
    queue = f" --task-queue {client.task_queue}" if client.task_queue != DEFAULT_TASK_QUEUE else ""
    imports = "".join(f" --import {module}" for module in modules)
    return f"Start one: dspex worker{imports}{queue}"


async def _watch(run: Run, observer: RunObserver, advice: str) -> None:
    said = ""
    async for progress in run.watch():
        if progress.phase == "out of budget" and progress.message != said:
            said = progress.message
            observer.say(
                f"waiting: {said} To go on: dspex runs budget {run.id} --usd N (or --tokens, --calls). To end with the "
                f"best program so far: dspex runs stop {run.id}"
            )
        elif progress.phase != "waiting":
            observer.show(_shown(progress))
        elif progress.message not in (said, _FIRST_MESSAGE):
            said = progress.message
            observer.say(f"waiting: {said}" + ("" if "dspex worker" in said else f". {advice}"))


def _shown(progress: Progress) -> RunProgress:
    notes = []
    if progress.message and not progress.message.startswith(_SAID_BY_TITLE):
        notes.append(progress.message)
    if progress.baseline_score is not None:
        notes.append(f"before {progress.baseline_score}")
    if progress.best_score is not None and progress.best_score != progress.baseline_score:
        notes.append(f"best {progress.best_score}")
    if progress.n_failed:
        notes.append(f"{progress.n_failed} failed")
    phase = str(progress.phase)
    return RunProgress(_TITLES.get(phase, phase), progress.done, progress.total, ", ".join(notes))
