"""Following a durable run: what it does, why it waits, how it ends. Leaving it does not end it."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.cli.main import INTERRUPTED, Ended, note
from dspex.cli.output.progress import Display, Glance, display

if TYPE_CHECKING:
    from dspex.temporal.client import Client
    from dspex.temporal.contracts.optimize import Progress
    from dspex.temporal.run import Run, RunResult

T = TypeVar("T")

_FIRST_MESSAGE = "starting"
"""What a run says in the moment before a worker looks at it: not worth a line."""
_SAID_BY_TITLE = ("evaluating: ", "evaluate")
_TITLES = {"baseline": "score before", "final": "score after"}


class Attachment:
    """The run that a command is attached to, once it is."""

    run_id: str | None = None


def attached(work: Coroutine[Any, Any, T], attachment: Attachment) -> T:
    """Do `work`; Ctrl-C leaves the run to itself.

    Raises:
        Ended: interrupted.
    """
    from dspex.bridge import wait_for

    try:
        return wait_for(work)
    except KeyboardInterrupt:
        run_id = attachment.run_id
        if run_id is None:
            note("interrupted: nothing was started")
        else:
            note(
                f"detached: the run {run_id} goes on. Watch it: dspex runs watch {run_id}\n"
                f"End it with the best program so far: dspex runs stop {run_id}"
            )
        raise Ended(INTERRUPTED) from None


async def follow(client: Client, run: Run, modules: Sequence[str] = ()) -> RunResult:
    """Show how `run` does until it ends, and return what it found.

    `modules` are what a worker of this run must have imported, where that is known.

    Raises:
        RunFailedError: it failed, or was cancelled.
        TemporalNotReachableError: the server has been away for minutes.
    """
    from temporalio.service import RPCError

    from dspex.temporal.connection import TemporalNotReachableError

    try:
        with display() as shown:
            if not await client.polled():
                shown.say(
                    f"waiting: no worker polls the task queue {client.task_queue!r}. {start_a_worker(client, modules)}"
                )
            await _watch(run, shown, start_a_worker(client, modules))
        return await run.result()
    except RPCError as error:
        raise TemporalNotReachableError(
            f"The Temporal server does not answer any more ({error.message}). The run is kept there; when it is back: "
            f"dspex runs watch {run.id}"
        ) from error


def start_a_worker(client: Client, modules: Sequence[str]) -> str:
    """The advice that a run without a worker needs."""
    from dspex.temporal.contracts.optimize import DEFAULT_TASK_QUEUE

    queue = f" --task-queue {client.task_queue}" if client.task_queue != DEFAULT_TASK_QUEUE else ""
    imports = "".join(f" --import {module}" for module in modules)
    return f"Start one: dspex worker{imports}{queue}"


async def _watch(run: Run, shown: Display, advice: str) -> None:
    said = ""
    async for progress in run.watch():
        if progress.phase == "out of budget" and progress.message != said:
            said = progress.message
            shown.say(
                f"waiting: {said} To go on: dspex runs budget {run.id} --usd N (or --tokens, --calls). To end with the "
                f"best program so far: dspex runs stop {run.id}"
            )
        elif progress.phase != "waiting":
            shown.show(_glance(progress))
        elif progress.message not in (said, _FIRST_MESSAGE):
            said = progress.message
            shown.say(f"waiting: {said}" + ("" if "dspex worker" in said else f". {advice}"))


def _glance(progress: Progress) -> Glance:
    parts = []
    if progress.message and not progress.message.startswith(_SAID_BY_TITLE):
        parts.append(progress.message)
    if progress.baseline_score is not None:
        parts.append(f"before {progress.baseline_score}")
    if progress.best_score is not None and progress.best_score != progress.baseline_score:
        parts.append(f"best {progress.best_score}")
    if progress.n_failed:
        parts.append(f"{progress.n_failed} failed")
    phase = str(progress.phase)
    return Glance(_TITLES.get(phase, phase), progress.done, progress.total, ", ".join(parts))
