"""`Evaluate`: how good is a program on a set of examples?"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dspex.bridge import wait_for
from dspex.callback import announced, callbacks_for
from dspex.clients.scope import CallScope, current_scope
from dspex.errors import DSPyError, UsageError
from dspex.evaluate.progress import progress
from dspex.evaluate.result import EvaluationResult, Tally
from dspex.evaluate.table import rows_of, save_csv, save_json, show_table
from dspex.primitives.example import Example
from dspex.runner.attempt import Attempt, Patience, attempt, describe, scopes_for
from dspex.runner.pool import run_concurrently
from dspex.settings import settings

logger = logging.getLogger("dspex.evaluate")

Metric = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Options:
    """What an `Evaluate` is made with and a single call may override."""

    devset: Sequence[Example]
    metric: Metric | str | None
    num_threads: int | None
    display_progress: bool
    display_table: bool | int
    save_as_csv: str | None
    save_as_json: str | None


class Evaluate:
    """Runs a program on every example of a devset, many at once, and averages a metric.

    Trouble of the provider (rate limits, timeouts, outages) is waited out and never scored. Where the program or the
    metric itself fails, the example gets `failure_score` and is listed, with its error, in the result's `failures`.

    Args:
        devset: Examples with their input fields marked (`Example.with_inputs`).
        metric: ``metric(example, prediction)``, synchronous or not, gives a bool, a number or a `Prediction` with a
            `score`; or the name of a built-in one (``"exact_match"``).
        num_threads: Examples in flight at once, by default `settings.num_threads`. No threads are involved.
        display_progress: Whether to show how far it has come.
        display_table: Whether to print the results as a table; a number is the most rows to print.
        max_errors: Failures that end the evaluation; by default `settings.max_errors`.
        provide_traceback: Whether to log tracebacks of failures; by default `settings.provide_traceback`.
        failure_score: The score of an example on which the program fails.
        save_as_csv, save_as_json: Files to write the results to.
        patience: How long to wait out trouble of the provider; by default ten minutes an example.

    After an interruption (Ctrl-C, too many errors, a provider that stays away) `partial` holds the result so far.
    """

    def __init__(
        self,
        *,
        devset: Sequence[Example],
        metric: Metric | str | None = None,
        num_threads: int | None = None,
        display_progress: bool = False,
        display_table: bool | int = False,
        max_errors: int | None = None,
        provide_traceback: bool | None = None,
        failure_score: float = 0.0,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
        patience: Patience | None = None,
        **others: Any,
    ) -> None:
        if "return_outputs" in others:
            raise UsageError("Evaluate(return_outputs=...) is gone from DSPy: outputs are always in `.results`.")
        if others:
            logger.warning("Evaluate has no option %s: ignored.", ", ".join(sorted(others)))
        self.devset = devset
        self.metric = metric
        self.num_threads = num_threads
        self.display_progress = display_progress
        self.display_table = display_table
        self.max_errors = max_errors
        self.provide_traceback = provide_traceback
        self.failure_score = failure_score
        self.save_as_csv = save_as_csv
        self.save_as_json = save_as_json
        self.patience = patience or Patience()
        self.partial: EvaluationResult | None = None

    def __call__(self, program: Any, *args: Any, **overrides: Any) -> EvaluationResult:
        """Evaluate `program`. Keywords override, for this call, what the evaluation was made with.

        Raises:
            UsageError: there is no example or no metric; nothing was run.
            EvaluationInterrupted: the program failed on `max_errors` examples; carries the partial result.
            LMError: the set-up is wrong, or the provider stayed away for too long.
        """
        options = self._options(*args, **overrides)
        tally = Tally(options.devset, self.failure_score)
        try:
            return wait_for(self._evaluate(program, options, tally))
        except KeyboardInterrupt:
            self._keep(tally)
            raise

    async def acall(self, program: Any, *args: Any, **overrides: Any) -> EvaluationResult:
        """As calling it, from asynchronous code."""
        options = self._options(*args, **overrides)
        return await self._evaluate(program, options, Tally(options.devset, self.failure_score))

    def _options(
        self,
        metric: Metric | str | None = None,
        devset: Sequence[Example] | None = None,
        num_threads: int | None = None,
        display_progress: bool | None = None,
        display_table: bool | int | None = None,
        callback_metadata: dict[str, Any] | None = None,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
    ) -> _Options:
        options = _Options(
            devset=self.devset if devset is None else devset,
            metric=self.metric if metric is None else metric,
            num_threads=self.num_threads if num_threads is None else num_threads,
            display_progress=self.display_progress if display_progress is None else display_progress,
            display_table=self.display_table if display_table is None else display_table,
            save_as_csv=self.save_as_csv if save_as_csv is None else save_as_csv,
            save_as_json=self.save_as_json if save_as_json is None else save_as_json,
        )
        _refuse_unusable(options.devset)
        return replace(options, metric=_function(options.metric))

    async def _evaluate(self, program: Any, options: _Options, tally: Tally) -> EvaluationResult:
        listeners = callbacks_for(self)
        inputs = {"program": program, "metric": options.metric, "devset": options.devset}
        with announced("evaluate", self, inputs, listeners) if listeners else nullcontext() as call:
            try:
                await self._run(program, options, tally)
            except (DSPyError, asyncio.CancelledError) as error:
                self._keep(tally)
                error.add_note(f"Evaluation: {tally.so_far()}.")
                raise
            result = tally.result()
            if call is not None:
                call.outputs = result
        self._report(result, options)
        return result

    async def _run(self, program: Any, options: _Options, tally: Tally) -> None:
        outer, scope_of = current_scope(), scopes_for("evaluate")
        max_errors = settings.max_errors if self.max_errors is None else self.max_errors
        jobs = (
            partial(self._one, program, index, example, options.metric, scope_of(index))
            for index, example in enumerate(options.devset)
        )
        with progress("Evaluating", len(options.devset), shown=options.display_progress) as bar:
            async with aclosing(run_concurrently(jobs, options.num_threads or settings.num_threads)) as finished:
                async for index, outcome in finished:
                    tally.add(index, outcome)
                    if outer is not None and outcome.usage is not None:
                        outer.usage.add(outcome.usage)
                    if outcome.error is not None:
                        self._log(index, outcome.error)
                        tally.refuse_more_failures(max_errors)
                    bar.advance(tally.so_far())

    async def _one(
        self, program: Any, index: int, example: Example, metric: Any, scope: CallScope
    ) -> tuple[int, Attempt]:
        return index, await attempt(program, example, metric, scope=scope, patience=self.patience)

    def _keep(self, tally: Tally) -> None:
        self.partial = tally.result()
        logger.warning("Evaluation interrupted: %s. Kept as `partial`.", tally.so_far())

    def _log(self, index: int, error: BaseException) -> None:
        told = settings.provide_traceback if self.provide_traceback is None else self.provide_traceback
        details = "\n" + "".join(traceback.format_exception(error)) if told else ""
        logger.warning("Example %d failed: %s%s", index, describe(error), details)

    def _report(self, result: EvaluationResult, options: _Options) -> None:
        logger.info("Average metric: %s%% of %d examples", result.score, len(result.results))
        if not (options.display_table or options.save_as_csv or options.save_as_json):
            return
        rows = rows_of(result.results, _name(options.metric))
        if options.display_table:
            show_table(rows, None if options.display_table is True else options.display_table)
        if options.save_as_csv:
            save_csv(options.save_as_csv, rows)
        if options.save_as_json:
            save_json(options.save_as_json, rows)


def _refuse_unusable(devset: Sequence[Example]) -> None:
    if not devset:
        raise UsageError("The devset has no examples, so there is nothing to evaluate on.")
    for index, example in enumerate(devset):
        if not isinstance(example, Example):
            raise UsageError(f"Example {index} of the devset is a {type(example).__name__}, not a dspex.Example.")
        if example._input_keys is None:
            raise UsageError(
                f"Example {index} of the devset does not say which of its fields ({', '.join(example.keys())}) are "
                "inputs. Use `example.with_inputs(...)`."
            )


def _function(metric: Metric | str | None) -> Metric:
    if metric is None:
        raise UsageError("Evaluate needs a metric: a function (example, prediction) or the name of a built-in one.")
    if isinstance(metric, str):
        from dspex.evaluate.metrics import builtin_metric

        return builtin_metric(metric)
    return metric


def _name(metric: Any) -> str:
    return getattr(metric, "__name__", type(metric).__name__)
