"""Run an optimizer to its end in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dspex.clients import LM
from dspex.clients.calls.scope import Usage
from dspex.clients.cost.budget import Budget, refuse_unpriced
from dspex.clients.preflight import check_lm
from dspex.errors import BudgetExceededError, UsageError
from dspex.observability import span
from dspex.primitives import Example, Module
from dspex.runner.examples import Metric
from dspex.runner.local_runner import LocalRunner
from dspex.runner.materialize import materialize
from dspex.runner.run_id import new_run_id
from dspex.settings import settings
from dspex.store import Store
from dspex.store.records.outcome import Failure, Outcome
from dspex.teleprompt.bootstrap import BootstrapFailedError
from dspex.teleprompt.optimization_run import Phase, RunState, Stopped, advance, begin, stop
from dspex.teleprompt.optimizer import Optimizer

logger = logging.getLogger(__name__)

_FAILURES_SHOWN = 3


@dataclass(frozen=True)
class LocalResult:
    """The program, score and cost of a local run.

    `stopped` is ``"budget"`` if the budget was spent before the run was done: then `program` is the best so far.
    """

    program: Module
    score: float | None
    baseline_score: float | None
    n_failed: int
    usage: Usage
    failures: Sequence[Failure]
    stopped: Stopped = False


async def optimize_locally(
    optimizer: Optimizer[Any],
    student: Module,
    *,
    trainset: Sequence[Example],
    valset: Sequence[Example] | None = None,
    teacher: Module | None = None,
    score: bool = True,
    metric: Metric | None = None,
    run_id: str | None = None,
    budget: Budget | None = None,
    on_step: Callable[[RunState], None] | None = None,
    on_outcome: Callable[[str, int, Outcome], None] | None = None,
    usage: Usage | None = None,
) -> LocalResult:
    """Run `optimizer` to its end in this process. With a `valset` and `score`, score the program before and after.

    A run that has spent its `budget` ends with the best program so far. Run again under the same `run_id` with a bigger
    one it goes on: what it has paid for is in the ledger, and counts.

    Args:
        optimizer: What to run.
        student: The program to optimize; it is not changed.
        trainset: Examples to learn from.
        valset: Examples to score on.
        teacher: Another program of the same structure to learn from.
        score: Whether to score the program on `valset`.
        metric: What scores it; by default the optimizer's.
        run_id: The run that the LM calls are billed to. Without one, and without a budget, to none.
        budget: What the run may spend at most.
        on_step: Called with the run's state before the first step and after each.
        on_outcome: Called with the step's path, its number of examples, and each outcome as it comes.
        usage: Is added to as calls are made; a new one unless given.

    Raises:
        UsageError: bad input; no LM call was made.
        LMError, StoreError: the provider or the store stayed away for longer than a run is patient.
    """
    metric = metric or optimizer.metric
    if score and valset is not None and metric is None:
        raise UsageError("There is a validation set and no metric to score the program with. Pass a metric.")
    programs = {"student": student} if teacher is None else {"student": student, "teacher": teacher}
    if budget is not None and run_id is None:
        run_id = new_run_id(type(student).__name__, optimizer.name)
    runner = LocalRunner(
        programs=programs,
        data={"train": trainset, "val": valset or ()},
        metric=metric,
        teacher_settings=optimizer.teacher_settings,
        concurrency=settings.num_threads,
        run_id=run_id,
        on_outcome=on_outcome,
        usage=usage if usage is not None else Usage(),
    )
    state = begin(optimizer, runner.task(max_errors=settings.max_errors), score=score)
    refuse_unusable(trainset, "training", run=state.runs_programs)
    if valset is not None:
        refuse_unusable(valset, "validation")
    if state.runs_programs:
        await _check(programs.values(), optimizer.teacher_settings, budget)
    if budget is not None and run_id is not None:
        await Store.open(settings.store).budgets.set(run_id, **budget.given)
    state = await _run(state, optimizer, runner, on_step or (lambda state: None))
    assert state.candidate is not None
    return LocalResult(
        program=await materialize(state.candidate, programs, runner),
        score=state.final.score if state.final else None,
        baseline_score=state.baseline.score if state.baseline else None,
        n_failed=state.final.n_failed if state.final else 0,
        usage=runner.usage,
        failures=runner.failures,
        stopped=state.stopped,
    )


async def _run(
    state: RunState, optimizer: Optimizer[Any], runner: LocalRunner, on_step: Callable[[RunState], None]
) -> RunState:
    on_step(state)
    try:
        while state.phase is not Phase.DONE:
            with span(f"step: {state.phase}", step=state.steps, optimizer=type(optimizer).__name__):
                state = await _next(state, optimizer, runner)
            on_step(state)
    except BootstrapFailedError as error:
        raise BootstrapFailedError(f"{error} {_said(runner.failures)}") from None
    return state


async def _next(state: RunState, optimizer: Optimizer[Any], runner: LocalRunner) -> RunState:
    """The state after the next step or, where the budget does not suffice for it, the last state."""
    try:
        return await advance(state, optimizer, runner)
    except BudgetExceededError as error:
        logger.warning("%s What comes out is the best program so far.", error)
        return stop(state, optimizer, "budget")


async def _check(programs: Iterable[Module], teacher_settings: Mapping[str, Any], budget: Budget | None) -> None:
    """Find what would stop the run before it has paid for anything."""
    lms = [
        settings.lm,
        teacher_settings.get("lm"),
        *(predictor.lm for program in programs for predictor in program.predictors()),
    ]
    for lm in [lm for lm in lms if lm is not None] or [None]:
        check_lm(lm)
        refuse_unpriced(lm, budget)
    if any(isinstance(lm, LM) for lm in lms):
        await Store.open(settings.store).check()  # where their answers will be kept


def _said(failures: Sequence[Failure]) -> str:
    first = sorted(failures, key=lambda failure: failure.index)[:_FAILURES_SHOWN]
    return " ".join(f"Example {failure.index}: {failure.error}." for failure in first)


def refuse_unusable(examples: Sequence[Example], role: str, *, run: bool = True) -> None:
    """Refuse examples that no run can use.

    Args:
        examples: The examples.
        role: What they are for, in the error.
        run: What is to run on them, in the error.

    Raises:
        UsageError: there are none, or their input fields are not marked.
    """
    if not len(examples):
        raise UsageError(f"The {role} set is empty: there is nothing to learn from or to score.")
    if run and not examples[0]._input_keys:
        raise UsageError(
            f"The examples of the {role} set do not say which fields are inputs. "
            f"Mark them: example.with_inputs(...). Fields: {', '.join(examples[0].keys())}."
        )
