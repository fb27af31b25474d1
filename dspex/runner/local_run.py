"""Runs of this process that the command line starts: shown while they go, and recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from dspex.backend import EvaluationRequest, OptimizationRequest, RunObserver, RunOutcome, RunProgress
from dspex.clients import drain
from dspex.clients.calls.scope import Usage
from dspex.clients.cost.budget import refuse_unpriced
from dspex.errors import StoreError
from dspex.execution.score import ExactSum
from dspex.primitives import Example
from dspex.runner.local_runner import LocalRunner
from dspex.runner.optimize import optimize_locally
from dspex.runner.references import build
from dspex.runner.run_record import RunRecorder
from dspex.runner.saved import program_document
from dspex.settings import context, settings
from dspex.store.records.outcome import Outcome
from dspex.store.records.run_summary import RunSummary
from dspex.teleprompt.candidate import Candidate
from dspex.teleprompt.optimization_run import Phase, RunState

_DRAIN_S = 10.0
_TITLES = {"baseline": "score before", "final": "score after", "evaluate": "evaluating"}


class LocalRun(ABC):
    """A run in this process, a `dspex.backend.BackendRun`.

    Args:
        recorder: Records the run, and has its id.
        store: The store's URL; None for the configured one.
    """

    state = ", in this process"

    def __init__(self, recorder: RunRecorder, store: str | None) -> None:
        self._recorder = recorder
        self._store_url = store

    @property
    def id(self) -> str:
        return self._recorder.run_id

    async def outcome(self, observer: RunObserver) -> RunOutcome:
        """Do the run, and record how it ends.

        Raises:
            UsageError: bad input; nothing was run, and nothing recorded.
            LMError, StoreError: the provider or the store stayed away for longer than a run is patient.
        """
        try:
            with context(store=self._store_url or settings.store):
                return await self._run(observer)
        except Exception as error:
            await self._record_failure(error)
            raise

    async def interrupt(self, observer: RunObserver) -> None:
        """Finish the calls in progress, within ten seconds, since they are paid for, and record the interruption."""
        observer.say("interrupted: finishing the calls that are under way (Ctrl-C again to leave at once)")
        await drain(_DRAIN_S)
        await self._recorder.abandon("interrupted")
        bill = await self._recorder.store.ledger.bill(self.id)
        observer.say(
            f"run {self.id}: {bill.calls} calls are paid and kept in the ledger. The same command again goes on from "
            "there."
        )

    @abstractmethod
    async def _run(self, observer: RunObserver) -> RunOutcome: ...

    async def _record_failure(self, error: Exception) -> None:
        try:
            await drain(_DRAIN_S)
            await self._recorder.abandon("failed", error=error)
        except StoreError as second:  # perhaps the very reason of the failure, which is what the user must see
            error.add_note(str(second))

    async def _summary(self, usage: Usage, **fields: Any) -> RunSummary:
        bill = await self._recorder.store.ledger.bill(self.id)
        return RunSummary.of(self.id, replace(bill, calls_from_ledger=usage.calls_from_ledger), **fields)


class LocalOptimization(LocalRun):
    """An optimization in this process.

    Args:
        request: What to run.
        recorder: Records the run.
        store: The store's URL; None for the configured one.
    """

    def __init__(self, request: OptimizationRequest, recorder: RunRecorder, store: str | None) -> None:
        super().__init__(recorder, store)
        self._request = request
        self._train = request.trainset.examples()
        self._val = request.valset.examples() if request.valset is not None else None

    async def _run(self, observer: RunObserver) -> RunOutcome:
        request, code = self._request, self._request.code
        counter = _StepCounter(observer)

        def on_step(state: RunState) -> None:
            if not self._recorder.begun:
                self._recorder.begin()
                observer.say(f"run {self.id}{self.state}")
            if state.note and state.phase is not Phase.BASELINE:
                observer.show(RunProgress(state.phase.value, note=state.note))

        with context(lm=request.lm):
            result = await optimize_locally(
                request.optimizer,
                code.program,
                trainset=self._train,
                valset=self._val,
                teacher=build(code.teacher, code.imports) if code.teacher is not None else None,
                metric=code.metric,
                run_id=self.id,
                budget=request.budget,
                on_step=on_step,
                on_outcome=counter.add,
            )
        summary = await self._summary(
            result.usage,
            score=result.score,
            baseline_score=result.baseline_score,
            n_failed=result.n_failed,
            stopped=result.stopped,
        )
        document = program_document(result.program, code.ref)
        await self._recorder.complete(summary, document)
        return RunOutcome(summary, document, result.failures)


class LocalEvaluation(LocalRun):
    """An evaluation in this process.

    Args:
        request: What to run.
        recorder: Records the run.
        store: The store's URL; None for the configured one.
    """

    def __init__(self, request: EvaluationRequest, recorder: RunRecorder, store: str | None) -> None:
        super().__init__(recorder, store)
        self._request = request
        self._examples: Sequence[Example] = request.devset.examples()

    async def _run(self, observer: RunObserver) -> RunOutcome:
        request = self._request
        observer.say(f"run {self.id}{self.state}")
        self._recorder.begin()
        if request.budget is not None:
            refuse_unpriced(request.lm, request.budget)
            await self._recorder.store.budgets.set(self.id, **request.budget.given)
        async with AsyncExitStack() as stack:
            stack.enter_context(context(lm=request.lm))
            in_flight = await _batched(stack, observer) if request.batch else settings.num_threads
            runner = LocalRunner(
                programs={"student": request.code.program},
                data={"val": self._examples},
                metric=request.code.metric,
                concurrency=in_flight,
                run_id=self.id,
                on_outcome=_StepCounter(observer).add,
            )
            found = await runner.evaluate(Candidate(), "val", path="evaluate")
        summary = await self._summary(runner.usage, score=found.score, n_failed=found.n_failed)
        await self._recorder.complete(summary)
        return RunOutcome(summary, failures=runner.failures)


async def _batched(stack: AsyncExitStack, observer: RunObserver) -> int:
    """Have calls made in batches; returns how many rows are in flight then."""
    from dspex.clients.batch.local import ROWS_AT_ONCE, batches_checked

    await stack.enter_async_context(batches_checked())
    observer.say(
        "by batch: at half the price, up to a day for each step of the program. The same command goes on after a crash"
    )
    return ROWS_AT_ONCE


class _StepCounter:
    """Counts the examples of each step, and shows it."""

    def __init__(self, observer: RunObserver) -> None:
        self._observer = observer
        self._begin("")

    def _begin(self, path: str) -> None:
        self._path = path
        self._done = self._failed = 0
        self._total = ExactSum()

    def add(self, path: str, size: int, outcome: Outcome) -> None:
        """One example of a step of `size` examples is done."""
        if path != self._path:
            self._begin(path)
        self._done += 1
        self._failed += outcome.score is None and outcome.error is not None
        self._total.add(outcome.score or 0.0)
        traced = outcome.passed is not None
        notes = [
            "" if traced else f"score so far {self._total.percent(self._done)}",
            f"{self._failed} failed" if self._failed else "",
        ]
        self._observer.show(
            RunProgress(_TITLES.get(path, path), self._done, size, ", ".join(note for note in notes if note))
        )
