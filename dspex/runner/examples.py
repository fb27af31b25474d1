"""Run one example of a step, and return its outcome.

The local runner and the durable activities share this, so an example comes out the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dspex.clients.calls.scope import CallScope, Usage
from dspex.execution.attempt import Attempt, RetryPolicy, attempt
from dspex.runner.materialize import demos_of_trace, without_demo
from dspex.settings import context, settings
from dspex.store.records.outcome import Outcome
from dspex.teleprompt.runner_protocol import Traced

if TYPE_CHECKING:
    from dspex.primitives import Example, Module

Metric = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ExampleStep:
    """The part of a run that examples are run for."""

    run_id: str | None
    path: str
    metric: Metric | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    keep_predictions: bool = False
    rounds: int = 1
    threshold: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Overrides for the program's runs, such as the teacher's LM."""

    def place(self, index: int) -> str:
        """The example's path in the run: what its random choices are derived from."""
        return f"{self.path}/{index}"


async def evaluate_example(program: Module, index: int, example: Example, step: ExampleStep) -> tuple[Outcome, Usage]:
    """Run a program on an example and score it.

    Args:
        program: The program.
        index: The example's index in its data.
        example: The example.
        step: The step that this is part of.

    Returns:
        The outcome, and the LM calls that it took. If the program itself failed, `score` is None and `error` is set.
    """
    scope = CallScope(run_id=step.run_id, path=step.place(index), program=program)
    with _overrides(step):
        attempted = await attempt(program, example, step.metric, scope=scope, retry_policy=step.retry_policy)
    outcome = Outcome(
        index=index,
        score=attempted.score,
        error=_text(attempted.error),
        passed=None,
        prediction=_prediction(attempted) if step.keep_predictions else None,
    )
    return outcome, attempted.usage


async def trace_example(teacher: Module, index: int, example: Example, step: ExampleStep) -> tuple[Outcome, Usage]:
    """Run a teacher on an example, up to `step.rounds` times, until a trace passes; keep its demos.

    Args:
        teacher: The program.
        index: The example's index in its data.
        example: The example. A demo equal to it is taken out of the prompts.
        step: The step that this is part of.

    Returns:
        The outcome, with the demos if a trace passed, and the LM calls that it took.
    """
    program = without_demo(teacher, example)
    usage, errors = Usage(), []
    attempted: Attempt | None = None
    for number in range(step.rounds):
        scope = CallScope(run_id=step.run_id, path=f"{step.place(index)}/round {number}", program=program)
        asked = _SampledAnew(program, number) if number else program
        with _overrides(step):
            attempted = await attempt(
                asked, example, step.metric, scope=scope, trace=True, retry_policy=step.retry_policy
            )
        usage.add(attempted.usage)
        if attempted.error is not None:
            errors.append(_text(attempted.error) or "")
        elif _passes(attempted, step):
            demos = demos_of_trace(program, attempted.trace or [], place=step.place(index))
            return Outcome(index=index, score=attempted.score, error=None, passed=True, demos=demos,
                           attempts=number + 1, errors=errors), usage  # fmt: skip
    return Outcome(index=index, score=attempted.score if attempted else None, error=errors[-1] if errors else None,
                   passed=False, attempts=step.rounds, errors=errors), usage  # fmt: skip


def _passes(attempted: Attempt, step: ExampleStep) -> bool:
    if step.metric is None:
        return True
    score = attempted.score or 0.0
    return score >= step.threshold if step.threshold is not None else bool(score)


def _overrides(step: ExampleStep) -> Any:
    return context(**step.settings) if step.settings else nullcontext()


@dataclass(frozen=True, slots=True)
class _SampledAnew:
    """A program in a later round: a fresh line of the ledger at temperature 1.0 (DSPy's way).

    For the program only: a model that judges in the metric is asked as in the first round.
    """

    program: Module
    number: int

    async def acall(self, **inputs: Any) -> Any:
        lm = settings.lm
        with context(lm=lm.copy(rollout_id=self.number, temperature=1.0)) if lm is not None else nullcontext():
            return await self.program.acall(**inputs)


def _prediction(attempted: Attempt) -> dict[str, Any] | None:
    from dspex.store.jsonable import to_jsonable

    return to_jsonable(dict(attempted.prediction.items())) if hasattr(attempted.prediction, "items") else None


def _text(error: BaseException | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"


def traced(outcome: Outcome) -> Traced:
    """Return what an optimizer sees of a traced example: no texts."""
    return Traced(
        index=outcome.index,
        passed=bool(outcome.passed),
        predictors=list(outcome.demos or {}),
        attempts=outcome.attempts,
        errors=[error.partition(":")[0] for error in outcome.errors],
    )
