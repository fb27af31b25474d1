"""Durable runs as the command line starts, follows and leaves them."""

from __future__ import annotations

from collections.abc import Sequence

from dspex.backend import RunObserver, RunOutcome
from dspex.errors import UsageError
from dspex.store.records.run_summary import RunSummary
from dspex.temporal.client import Client
from dspex.temporal.run import Run, RunResult
from dspex.worker.follow import follow

_STATES = {"RUNNING": ": under way already, attached to it", "COMPLETED": ": done already, this is its result"}
_ANEW = ": it ended without a result before, started anew"


class DurableRun:
    """A run on the workers of a task queue, a `dspex.backend.BackendRun`.

    Args:
        client: The client that started it.
        run: The run.
        state: What to say of it: whether it existed already.
        modules: The modules that its workers must have imported.
    """

    def __init__(self, client: Client, run: Run, state: str, modules: Sequence[str]) -> None:
        self._client = client
        self._run = run
        self._modules = modules
        self.state = state

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    async def outcome(self, observer: RunObserver) -> RunOutcome:
        """Follow the run to its end.

        Raises:
            RunFailedError: it failed, or was cancelled.
            TemporalNotReachableError: the server has been away for minutes.
        """
        observer.say(f"run {self.id}{self.state}")
        result = await follow(self._client, self._run, observer, self._modules)
        failures = await self._run.failures() if result.n_failed else []
        return RunOutcome(summary_of(result), result.document, failures)

    async def interrupt(self, observer: RunObserver) -> None:
        """Leave the run to its workers, and say how to get back to it."""
        observer.say(
            f"detached: the run {self.id} goes on. Watch it: dspex runs watch {self.id}\n"
            f"End it with the best program so far: dspex runs stop {self.id}"
        )


def summary_of(result: RunResult) -> RunSummary:
    """Return the numbers of a durable run."""
    return RunSummary.of(
        result.run_id,
        result.bill,
        workflow_id=result.run_id,
        score=result.score,
        baseline_score=result.baseline_score,
        n_failed=result.n_failed,
        stopped=result.stopped,
    )


async def state_before(client: Client, run_id: str | None) -> str:
    """Describe an existing run of this id; ``""`` for a new one.

    Args:
        client: The client.
        run_id: The id that the user gave; None for a new one.
    """
    if run_id is None:
        return ""
    try:
        status = await (await client.run(run_id)).status()
    except UsageError:
        return ""
    return _STATES.get(status.name if status is not None else "", _ANEW)
