"""Run a program over a devset and keep count: what `Evaluate` does, apart from what it shows and saves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dspex.errors import UsageError
from dspex.evaluate.result import Tally
from dspex.execution.attempt import attempt_once
from dspex.execution.concurrent import ConcurrentAttempts
from dspex.execution.progress import progress
from dspex.primitives.example import Example
from dspex.settings import settings

Metric = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What an `Evaluate` is made with and a single call may override; `Evaluate` describes each."""

    devset: Sequence[Example]
    metric: Metric
    num_threads: int | None
    display_progress: bool
    display_table: bool | int
    save_as_csv: str | None
    save_as_json: str | None


@dataclass(frozen=True, slots=True)
class LiveEvaluation:
    """An evaluation on objects of this process; what becomes of the examples is added to `tally`.

    Args:
        options: What to run and how to show it.
        tally: Collects the outcomes.
        attempts: How examples are run at once.
        max_errors: Failures that end it; by default `settings.max_errors`.
        batch: Whether calls go through the provider's batch API.
    """

    options: Options
    tally: Tally
    attempts: ConcurrentAttempts
    max_errors: int | None = None
    batch: bool = False


async def run_over(program: Any, evaluation: LiveEvaluation) -> None:
    """Run a program on every example of an evaluation.

    Args:
        program: The program.
        evaluation: Holds the examples and the metric, and collects what becomes of them.

    Raises:
        EvaluationInterrupted: the program failed on `max_errors` examples.
        LMError, StoreError: the provider stayed away for too long, or the set-up is wrong.
    """
    if not evaluation.batch:
        await _run_over(program, evaluation)
        return
    from dspex.clients.batch.local import ROWS_AT_ONCE, batches_checked

    async with batches_checked():
        attempts = replace(evaluation.attempts, limit=ROWS_AT_ONCE)
        await _run_over(program, replace(evaluation, attempts=attempts))


async def _run_over(program: Any, evaluation: LiveEvaluation) -> None:
    options, tally, attempts = evaluation.options, evaluation.tally, evaluation.attempts
    limit = settings.max_errors if evaluation.max_errors is None else evaluation.max_errors
    tries = (partial(attempt_once, program, example, options.metric) for example in options.devset)
    with progress("Evaluating", len(options.devset), shown=options.display_progress) as bar:
        async with aclosing(attempts.outcomes(tries)) as outcomes:
            async for index, outcome in outcomes:
                tally.add(index, outcome)
                if outcome.error is not None:
                    tally.refuse_more_failures(limit)
                bar.advance(tally.so_far())


def usable(devset: Sequence[Example] | None) -> Sequence[Example]:
    """`devset`, if a program can be evaluated on it.

    Raises:
        UsageError: it is empty, or holds what is no example or does not say what its inputs are.
    """
    if not devset:
        raise UsageError("devset must contain at least one example, got an empty devset: nothing to evaluate on.")
    for index, example in enumerate(devset):
        if not hasattr(example, "inputs"):
            raise UsageError(
                f"Example {index} of the devset is a {type(example).__name__}, not a dspex.Example. "
                "Make it one: `dspex.Example(...).with_inputs(...)`."
            )
        if getattr(example, "_input_keys", ()) is None:
            raise UsageError(
                f"Example {index} of the devset does not say which of its fields ({', '.join(example.keys())}) are "
                "inputs. Use `example.with_inputs(...)`."
            )
    return devset


def metric_function(metric: Metric | str | None) -> Metric:
    """Return the metric itself, where it may be given by name.

    Raises:
        UsageError: there is none, or none of that name.
    """
    if metric is None:
        raise UsageError("Evaluate needs a metric: a function (example, prediction) or the name of a built-in one.")
    if isinstance(metric, str):
        from dspex.evaluate.metrics import builtin_metric

        return builtin_metric(metric)
    return metric
