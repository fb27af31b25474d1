"""`Evaluate`: how good is a program on a set of examples?"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dspex.backend import backend
from dspex.bridge import wait_for
from dspex.callback import ReportedCall, notify_callbacks
from dspex.errors import DSPyError, UsageError
from dspex.evaluate.notebook import (
    HTML,
    configure_dataframe_for_ipython_notebook_display,
    display,
    is_in_ipython_notebook_environment,
)
from dspex.evaluate.result import EvaluationResult, Tally
from dspex.evaluate.running import LiveEvaluation, Metric, Options, metric_function, usable
from dspex.evaluate.table import (
    Results,
    merge_dicts,
    prediction_is_dictlike,
    print_rows,
    rows_of,
    save_csv,
    save_json,
    truncate_cell,
)
from dspex.execution.attempt import RetryPolicy
from dspex.execution.concurrent import ConcurrentAttempts
from dspex.observability.callbacks import callbacks_for
from dspex.primitives.example import Example

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


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
        max_errors: Failures that end the evaluation; by default `settings.max_errors`. Answers of the model that cannot
            be parsed are failures of their examples and do not count here: they end nothing.
        provide_traceback: Whether to log tracebacks of failures; by default `settings.provide_traceback`.
        failure_score: The score of an example on which the program fails.
        save_as_csv, save_as_json: Files to write the results to.
        batch: Whether to make the LM's calls through the provider's batch API (`dspex.batch_api`): at half the price,
            within a day for each step of a program that needs the answer of another. `num_threads` has no effect then.
        patience: How long to wait out trouble of the provider; by default twenty minutes an example.

    Interrupted (Ctrl-C, a cancelled task, too many errors, a provider that stays away), the exception that is raised
    and this object hold the result so far in `partial`, and the files asked for hold its rows.

    Source: DSPy's class of this name.
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
        batch: bool = False,
        patience: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        if "return_outputs" in kwargs:
            raise UsageError(
                "`return_outputs` is no longer supported by DSPy, nor here: the outputs are always in the `results` of "
                "the `EvaluationResult`. Drop the argument."
            )
        if kwargs:
            logger.warning("Evaluate has no option %s: ignored.", ", ".join(sorted(kwargs)))
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
        self.batch = batch
        self.patience = patience or RetryPolicy()
        self.partial: EvaluationResult | None = None

    def __call__(
        self,
        program: Any,
        metric: Metric | str | None = None,
        devset: Sequence[Example] | None = None,
        num_threads: int | None = None,
        display_progress: bool | None = None,
        display_table: bool | int | None = None,
        callback_metadata: dict[str, Any] | None = None,
        save_as_csv: str | None = None,
        save_as_json: str | None = None,
    ) -> EvaluationResult:
        """Evaluate a program. The other arguments override, for this call, what the evaluation was made with.

        Args:
            program: A module, or any function of the examples' inputs.
            metric: As for the class.
            devset: As for the class.
            num_threads: As for the class.
            display_progress: As for the class.
            display_table: As for the class.
            callback_metadata: For callbacks: they find it among the inputs of `on_evaluate_start`.
            save_as_csv, save_as_json: As for the class.

        Returns:
            The score in percent, and the prediction and score of each example.

        Raises:
            UsageError: there is no example or no metric; nothing was run.
            EvaluationInterrupted: the program failed on `max_errors` examples; carries the partial result.
            LMError: the set-up is wrong, or the provider stayed away for too long.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        with self._heard(given) as call:
            options, tally = self._prepared(given)
            try:
                wait_for(self._run(program, options, tally))
            except BaseException as error:
                self._keep(error, options, tally)
                raise
            call.outputs = result = self._finished(options, tally)
        return result

    async def acall(self, program: Any, *args: Any, **kwargs: Any) -> EvaluationResult:
        """Evaluate a program from asynchronous code; arguments, result and errors are those of calling this object."""
        bound = inspect.signature(self.__call__).bind(program, *args, **kwargs)
        bound.apply_defaults()
        with self._heard(bound.arguments) as call:
            options, tally = self._prepared(bound.arguments)
            try:
                await self._run(program, options, tally)
            except BaseException as error:
                self._keep(error, options, tally)
                raise
            call.outputs = result = self._finished(options, tally)
        return result

    def _heard(self, given: dict[str, Any]) -> Any:
        listeners = callbacks_for(self)
        return notify_callbacks("evaluate", self, given, listeners) if listeners else nullcontext(ReportedCall())

    def _prepared(self, given: dict[str, Any]) -> tuple[Options, Tally]:
        chosen = {
            name: getattr(self, name) if given[name] is None else given[name] for name in Options.__dataclass_fields__
        }
        usable(chosen["devset"])
        options = Options(**{**chosen, "metric": metric_function(chosen["metric"])})
        return options, Tally(options.devset, self.failure_score)

    async def _run(self, program: Any, options: Options, tally: Tally) -> None:
        attempts = ConcurrentAttempts("evaluate", "example", options.num_threads, self.provide_traceback, self.patience)
        await backend().evaluate(program, LiveEvaluation(options, tally, attempts, self.max_errors, self.batch))

    def _keep(self, error: BaseException, options: Options, tally: Tally) -> None:
        """Leave what is done where whoever is interrupted finds it."""
        self.partial = error.partial = tally.result()  # type: ignore[attr-defined]
        error.add_note(f"Evaluation: {tally.so_far()}.")
        logger.warning("Evaluation interrupted: %s. Kept as `partial`.", tally.so_far())
        try:
            self._save(self.partial, options)
        except (DSPyError, OSError) as failure:
            logger.warning("The partial result was not saved: %s", failure)

    def _finished(self, options: Options, tally: Tally) -> EvaluationResult:
        result = tally.result()
        logger.info("Average Metric: %s", tally.average())
        if options.display_table:
            self._show(result, options)
        self._save(result, options)
        return result

    def _save(self, result: EvaluationResult, options: Options) -> None:
        if not result.results or not (options.save_as_csv or options.save_as_json):
            return
        rows = self._prepare_results_output(result.results, _name(options.metric))
        if options.save_as_csv:
            save_csv(options.save_as_csv, rows)
        if options.save_as_json:
            save_json(options.save_as_json, rows)

    def _show(self, result: EvaluationResult, options: Options) -> None:
        name = _name(options.metric)
        if find_spec("pandas") is not None:
            self._display_result_table(self._construct_result_table(result.results, name), options.display_table, name)
            return
        rows = self._prepare_results_output(result.results, name)
        shown = rows if options.display_table is True else rows[: options.display_table]
        print_rows(shown)
        _say_more(len(rows) - len(shown))

    # DSPy's names for these steps: tracing tools patch them

    @staticmethod
    def _prepare_results_output(results: Results, metric_name: str) -> list[dict[str, Any]]:
        return rows_of(results, metric_name)

    def _construct_result_table(self, results: Results, metric_name: str) -> pd.DataFrame:
        import pandas as pd

        table = pd.DataFrame(self._prepare_results_output(results, metric_name))
        table = table.map(truncate_cell) if hasattr(table, "map") else table.applymap(truncate_cell)
        return table.rename(columns={"correct": metric_name})

    def _display_result_table(self, result_df: pd.DataFrame, display_table: bool | int, metric_name: str) -> None:
        shown = result_df if isinstance(display_table, bool) else result_df.head(display_table)
        display_dataframe(stylize_metric_name(shown.copy(), metric_name))
        _say_more(len(result_df) - len(shown))


def stylize_metric_name(df: pd.DataFrame, metric_name: str) -> pd.DataFrame:
    """Mark the cells of the metric's column with a tick, in place.

    Args:
        df: The table of results.
        metric_name: The name of the column.

    Returns:
        The same table.
    """
    df[metric_name] = df[metric_name].apply(_ticked)
    return df


def display_dataframe(df: pd.DataFrame) -> None:
    """Show a table in a notebook as one, elsewhere as text with all its rows and columns."""
    import pandas as pd

    if is_in_ipython_notebook_environment():
        display(configure_dataframe_for_ipython_notebook_display(df))
        return
    with pd.option_context("display.max_rows", None, "display.max_columns", None):
        print(df)


def _ticked(score: Any) -> str:
    if score is None:
        return ""
    return f"✔️ [{score:.3f}]" if isinstance(score, float) else f"✔️ [{score}]"


def _say_more(count: int) -> None:
    if count <= 0:
        return
    message = f"... {count} more rows not displayed ..."
    if is_in_ipython_notebook_environment():
        display(HTML(f"<div style='text-align: center; font-weight: bold; color: #555'>{message}</div>"))
    else:
        print(message)


def _name(metric: Any) -> str:
    return getattr(metric, "__name__", type(metric).__name__)


__all__ = [
    "HTML",
    "Evaluate",
    "EvaluationResult",
    "configure_dataframe_for_ipython_notebook_display",
    "display",
    "display_dataframe",
    "is_in_ipython_notebook_environment",
    "merge_dicts",
    "prediction_is_dictlike",
    "stylize_metric_name",
    "truncate_cell",
]
