"""A handle on one run: how it does, what it found, and how to end it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ChildWorkflowError, TerminatedError
from temporalio.service import RPCError

from dspex.clients.cost.budget import Budget
from dspex.errors import DSPyError, UsageError
from dspex.runner.imports import AllowedModules
from dspex.runner.references import this_process
from dspex.runner.saved import load_document
from dspex.store.records.bill import Bill
from dspex.teleprompt.optimization_run import Stopped
from dspex.temporal.contracts.optimize import EvaluateResult, OptimizeResult, Progress, RunSpec
from dspex.temporal.handle import RunHandle
from dspex.temporal.reconnect import FOR_EVER, with_reconnects

if TYPE_CHECKING:
    from dspex.primitives import Module
    from dspex.store import Store
    from dspex.store.records.budget import Spending
    from dspex.store.records.outcome import Failure

_QUERY_TIMEOUT_S = 3.0


class RunFailedError(DSPyError):
    """The run ended without a result. The message says why."""


class RunCancelledError(RunFailedError):
    """The run was cancelled or terminated."""


@dataclass(frozen=True)
class RunResult:
    """The score, program and cost of a run that has ended."""

    run_id: str
    score: float | None
    baseline_score: float | None
    n_failed: int
    stopped: Stopped
    """Whether it ended before its time; ``"budget"``, if that was because its budget was used up."""
    document: dict[str, Any] | None
    """The optimized program as the JSON document that is saved; None for an evaluation."""
    spec: RunSpec
    bill: Bill = field(default_factory=Bill)
    """What it cost, in all and by model and predictor."""

    @property
    def lm_calls(self) -> int:
        """Calls that were paid for."""
        return self.bill.calls

    @property
    def lm_calls_from_ledger(self) -> int:
        """Calls that were answered by what had been paid for before."""
        return self.bill.calls_from_ledger

    @property
    def prompt_tokens(self) -> int:
        """Tokens sent."""
        return self.bill.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens received."""
        return self.bill.completion_tokens

    @property
    def cost_usd(self) -> float:
        """US dollars, without the calls whose price is not known."""
        return self.bill.cost_usd

    @property
    def program(self) -> Module:
        """The optimized program, made from the code that this process has imported."""
        return self.load(this_process())

    def load(self, imports: AllowedModules) -> Module:
        """Make the optimized program.

        Args:
            imports: The code that the program may name.

        Raises:
            UsageError: the run was an evaluation.
            ProgramNotAvailableError: `imports` does not allow the program's module.
        """
        if self.document is None:
            raise UsageError(f"The run {self.run_id!r} was an evaluation: it made no program.")
        return load_document(self.document, self.spec.student, imports)


class Run(RunHandle[Progress]):
    """A handle on one durable run. Made by `Client.optimize`, `Client.evaluate` and `Client.run`.

    Args:
        temporal: The connection to the server.
        handle: The run's workflow.
        store: The store that holds its data.
        spec: What it runs.
    """

    def __init__(self, temporal: TemporalClient, handle: WorkflowHandle[Any, Any], store: Store, spec: RunSpec) -> None:
        self._temporal = temporal
        self._handle = handle
        self._store = store
        self.spec = spec

    async def progress(self) -> Progress:
        """Return the run's progress. A worker answers; without one, the message says so."""
        own = await self._query(self._handle)
        if own is None:
            return Progress(
                run_id=self.id, phase="waiting", message=await why_it_waits(self._handle) or "no worker answers"
            )
        handle = self._handle
        if own.evaluation is not None:
            handle = self._temporal.get_workflow_handle(own.evaluation)
            child = await self._query(handle)
            if child is not None:
                own.done, own.total, own.n_failed = child.done, child.total, child.n_failed
                if child.best_score is not None:
                    own.message = f"score so far {child.best_score}"
        own.message = await why_it_waits(handle) or own.message
        return own

    async def result(self) -> RunResult:
        """Wait for the run to end, and return its result.

        Raises:
            RunFailedError: the run failed; the message is the first cause.
            RunCancelledError: it was cancelled or terminated.
        """
        try:
            found = await with_reconnects(self._handle.result, tries=FOR_EVER)
        except WorkflowFailureError as error:
            raise ended(self.id, error) from error
        return await self._result(found)

    async def stop(self) -> None:
        """End the run now, with the best program so far.

        Raises:
            UsageError: the run is over.
        """
        await self._update("stop")

    async def pause(self) -> None:
        """Let the run finish its step and then wait.

        Raises:
            UsageError: the run is over.
        """
        await self._update("pause")

    async def resume(self) -> None:
        """Go on after a pause.

        Raises:
            UsageError: the run is over.
        """
        await self._update("resume")

    async def cancel(self) -> None:
        """End the run without a result."""
        await with_reconnects(self._handle.cancel)

    async def set_budget(
        self, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> Spending:
        """Change what the run may spend in all; what is not given stays. A run that waits for a bigger budget goes on.

        Args:
            usd: US dollars.
            tokens: Tokens, sent and received.
            calls: LM calls.

        Returns:
            The limits, and how much of them is used.

        Raises:
            UsageError: nothing is given, or the run is over.
        """
        await self._update("set_budget", Budget(usd, tokens, calls))
        spending = await self.budget()
        assert spending is not None
        return spending

    async def budget(self) -> Spending | None:
        """Return the run's limits and how much of them is used, calls in progress included; None without a budget."""
        return await self._store.budgets.get(self.id)

    async def bill(self) -> Bill:
        """Return what the run has cost so far, in all and by model and predictor."""
        return await self._store.ledger.bill(self.id)

    async def failures(self, limit: int = 20) -> list[Failure]:
        """List examples on which the program itself failed, with their errors.

        Args:
            limit: At most so many.
        """
        first = (await with_reconnects(self._handle.describe)).raw_description.workflow_execution_info.first_run_id
        return await self._store.outcomes.failures(f"{self.id}@{first}", limit)

    async def _update(self, name: str, *arguments: Any) -> None:
        try:
            await with_reconnects(lambda: self._handle.execute_update(name, args=arguments))
        except RPCError as error:
            order = name.replace("_", " its ")
            raise UsageError(f"The run {self.id!r} cannot {order}: {error.message}.") from error

    async def _query(self, handle: WorkflowHandle[Any, Any]) -> Progress | None:
        from datetime import timedelta

        try:
            found = await handle.query(
                "progress", result_type=Progress, rpc_timeout=timedelta(seconds=_QUERY_TIMEOUT_S)
            )
        except Exception as error:  # noqa: BLE001  # no worker, a replaying worker, a restarting server: all pass
            _ignore(error)
            return None
        assert isinstance(found, Progress)
        return found

    async def _result(self, found: OptimizeResult | EvaluateResult) -> RunResult:
        optimized = found if isinstance(found, OptimizeResult) else None
        return RunResult(
            run_id=self.id,
            score=found.score,
            baseline_score=optimized.baseline_score if optimized else None,
            n_failed=found.n_failed,
            stopped=optimized.stopped if optimized else False,
            document=await self._store.programs.get(optimized.program) if optimized else None,
            spec=self.spec,
            bill=found.bill or Bill(),
        )


async def why_it_waits(handle: WorkflowHandle[Any, Any]) -> str | None:
    """Return the error of an activity that failed and waits for its next attempt; None if there is none."""
    try:
        described = await with_reconnects(handle.describe)
    except RPCError:
        return None  # an evaluation that has just begun, or is over
    for pending in described.raw_description.pending_activities:
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and pending.HasField("last_failure"):
            if pending.last_failure.HasField("timeout_failure_info"):
                return "a worker died or is out of reach; its work starts again on another"
            return str(pending.last_failure.message)
    return None


def ended(run_id: str, error: WorkflowFailureError) -> RunFailedError:
    """Make the error for a run that ended without a result.

    Args:
        run_id: The run.
        error: What Temporal says; its innermost cause is quoted.
    """
    cause: BaseException | None = error.cause
    while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
        cause = cause.cause
    if isinstance(cause, CancelledError | TerminatedError):
        return RunCancelledError(f"The run {run_id!r} was cancelled.")
    text = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return RunFailedError(f"The run {run_id!r} failed: {text}")


def _ignore(error: Exception) -> None:
    import logging

    logging.getLogger(__name__).debug("progress query: %s", error)
