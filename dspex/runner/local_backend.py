"""The backend ``local``: everything happens in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dspex.backend import BackendOptions, EvaluationRequest, OptimizationRequest
from dspex.clients.calls.scope import Usage, current_scope
from dspex.clients.cost.budget import Budget
from dspex.clients.preflight import check_lm
from dspex.errors import DSPyError, UsageError
from dspex.evaluate.running import LiveEvaluation, run_over
from dspex.finetuning.request import FinetuneRequest
from dspex.finetuning.task import LocalTrainingTask
from dspex.primitives import Example, Module
from dspex.runner.estimate import Estimate, estimate
from dspex.runner.local_run import LocalEvaluation, LocalOptimization
from dspex.runner.optimize import LocalResult, optimize_locally
from dspex.runner.references import ProgramRef, reference
from dspex.runner.run_id import new_run_id
from dspex.runner.run_record import RunRecorder, write_in_background
from dspex.runner.saved import program_document
from dspex.settings import settings
from dspex.store import Store
from dspex.store.records.bill import Bill
from dspex.store.records.run_summary import RunSummary
from dspex.teleprompt.optimizer import Optimizer

logger = logging.getLogger(__name__)


class LocalBackend:
    """Runs everything in this process, on dspex's event loop. A `dspex.backend.Backend`.

    Args:
        options: The store.
    """

    def __init__(self, options: BackendOptions) -> None:
        self._store_url = options.store

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
        """Optimize a program, and leave a record of the run, as `dspex runs` shows it.

        An optimization inside a run (as `KNNFewShot`'s, for each call of its program) is part of that, and leaves no
        record.

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
            UsageError: bad input; no LM call was made.
            LMError: the provider could not be reached for longer than the run is patient.
        """
        given: dict[str, Any] = {"trainset": trainset, "teacher": teacher, "valset": valset, "budget": budget}
        recorded = None if current_scope() is not None else _RecordedCompile.of(optimizer, student, budget)
        if recorded is None:
            return (await optimize_locally(optimizer, student, **given, score=False)).program
        return await recorded.run(optimizer, student, given)

    async def evaluate(self, program: Any, evaluation: LiveEvaluation) -> None:
        """Run a program on examples.

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

    def finetune(self, request: FinetuneRequest, data: list[dict[str, Any]]) -> LocalTrainingTask:
        """Make the task that fine-tunes a model while this process waits.

        Args:
            request: What to train.
            data: The rows to train on.
        """
        return LocalTrainingTask(request, data)

    async def start_optimization(self, request: OptimizationRequest) -> LocalOptimization:
        """Check the store and read the data; the run itself begins with `LocalOptimization.outcome`.

        Raises:
            UsageError: the data cannot be read.
            StoreError: the store does not work.
        """
        recorder = await self._recorder(request, request.optimizer.name)
        return LocalOptimization(request, recorder, self._store_url)

    async def start_evaluation(self, request: EvaluationRequest) -> LocalEvaluation:
        """As `start_optimization`; the LM is checked too."""
        check_lm(request.lm)
        recorder = await self._recorder(request, "evaluate")
        return LocalEvaluation(request, recorder, self._store_url)

    async def _recorder(self, request: OptimizationRequest | EvaluationRequest, what: str) -> RunRecorder:
        store = Store.open(self._store_url or settings.store)
        await store.check()
        label = request.code.ref.label
        return RunRecorder(store, request.run_id or new_run_id(label, what), what, label)


class _RecordedCompile:
    """One `Optimizer.compile` with its record.

    The LM calls of a run without a budget are billed to no run: they are the user's, cached as `LM` says. The record
    then has their sums only.
    """

    def __init__(self, recorder: RunRecorder, code: ProgramRef | None, *, billed: bool) -> None:
        self._recorder = recorder
        self._code = code
        self._billed = billed
        self._usage = Usage()

    @classmethod
    def of(cls, optimizer: Optimizer[Any], student: Module, budget: Budget | None) -> _RecordedCompile | None:
        """None, with a warning, where there can be no store."""
        try:
            store = Store.open(settings.store)
        except DSPyError as error:
            logger.warning("The run cannot be written down: %s", error)
            return None
        code = _code_of(student)
        label = code.label if code is not None else type(student).__name__
        recorder = RunRecorder(store, new_run_id(label, optimizer.name), optimizer.name, label)
        return cls(recorder, code, billed=budget is not None)

    async def run(self, optimizer: Optimizer[Any], student: Module, given: dict[str, Any]) -> Module:
        try:
            result = await optimize_locally(
                optimizer,
                student,
                **given,
                score=False,
                run_id=self._recorder.run_id if self._billed else None,
                on_step=lambda state: self._recorder.begin(),
                usage=self._usage,
            )
        except Exception as error:
            await write_in_background(self._abandon("failed", error))
            raise
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            await write_in_background(self._abandon("interrupted"))
            raise
        await write_in_background(self._complete(result, self._document(result.program)))
        return result.program

    async def _complete(self, result: LocalResult, document: dict[str, Any] | None) -> None:
        summary = await self._summary(stopped=result.stopped, n_failed=result.n_failed)
        await self._recorder.complete(summary, document)

    async def _abandon(self, status: str, error: Exception | None = None) -> None:
        if not self._recorder.begun:
            return
        await self._recorder.abandon(status, await self._summary(), error)

    async def _summary(self, **fields: Any) -> RunSummary:
        usage, recorder = self._usage, self._recorder
        if self._billed:
            bill = await recorder.store.ledger.bill(recorder.run_id)
        else:
            bill = Bill(usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cost_usd)
        return RunSummary.of(recorder.run_id, replace(bill, calls_from_ledger=usage.calls_from_ledger), **fields)

    def _document(self, program: Module) -> dict[str, Any] | None:
        try:
            return program_document(program, self._code)
        except Exception as error:  # noqa: BLE001  # the user's own `dump_state` may do anything; the run is done
            logger.warning("The program of run %s could not be written down: %s", self._recorder.run_id, error)
            return None


def _code_of(student: Module) -> ProgramRef | None:
    """The program's code by name, where other processes could import it."""
    try:
        return reference(student)
    except UsageError:
        return None
