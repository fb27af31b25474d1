"""`Parallel`: many calls of modules at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from dspex.bridge import run_sync, wait_for
from dspex.errors import DSPyError, UsageError
from dspex.primitives.example import Example
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.execution.attempt import RetryPolicy


class BatchInterrupted(DSPyError):
    """So many calls failed (`max_errors`) that the rest was not made.

    `results` holds the results so far, None where there is none; `failures` index and error of each failed call.
    """

    def __init__(self, message: str, results: list[Any], failures: list[tuple[int, BaseException]]) -> None:
        super().__init__(message)
        self.results = results
        self.failures = failures


class Parallel:
    """Makes many calls at once, each a pair of a module and what it is called with.

    Trouble of the provider is waited out; only a module's own failure counts as an error.

    Args:
        num_threads: Calls in flight at once, by default `settings.num_threads`. No threads are involved.
        max_errors: Failures that end the whole; by default `settings.max_errors`.
        access_examples: Whether an `Example` stands for its input fields, or is passed on as it is.
        return_failed_examples: Whether to return failed examples and their errors too.
        provide_traceback: Whether to log tracebacks of failures.
        disable_progress_bar: Whether to show no progress.
        timeout, straggler_limit: DSPy's, of no effect: no call waits for another.
        patience: How long to wait out trouble of the provider.
    """

    def __init__(
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        access_examples: bool = True,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
        patience: RetryPolicy | None = None,
    ) -> None:
        self.num_threads = num_threads or settings.num_threads
        self.max_errors = settings.max_errors if max_errors is None else max_errors
        self.access_examples = access_examples
        self.return_failed_examples = return_failed_examples
        self.provide_traceback = provide_traceback
        self.disable_progress_bar = disable_progress_bar
        self.timeout = timeout
        self.straggler_limit = straggler_limit
        self.failed_examples: list[Any] = []
        self.exceptions: list[BaseException] = []
        self.patience = patience

    def __call__(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
        """Results in the order of `exec_pairs`, None for a failed one; see `return_failed_examples`.

        Raises:
            BatchInterrupted: `max_errors` calls failed.
        """
        return wait_for(self.acall(exec_pairs, num_threads))

    def forward(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
        """As calling it (DSPy's name)."""
        return self(exec_pairs, num_threads)

    async def acall(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
        """As calling it, from asynchronous code."""
        from dspex.execution.attempt import RetryPolicy
        from dspex.execution.concurrent import Together, tried
        from dspex.execution.progress import progress

        calls = [self._call(module, given) for module, given in exec_pairs]
        results: list[Any] = [None] * len(calls)
        failures: list[tuple[int, BaseException]] = []
        limit, patience = num_threads or self.num_threads, self.patience or RetryPolicy()
        together = Together("batch", "call", limit, self.provide_traceback, patience)
        with progress("Running", len(calls), shown=not self.disable_progress_bar) as bar:
            async with aclosing(together.outcomes(partial(tried, call) for call in calls)) as outcomes:
                async for index, outcome in outcomes:
                    if outcome.error is None:
                        results[index] = outcome.prediction
                    else:
                        failures.append((index, outcome.error))
                        self._refuse_more_failures(results, failures)
                    bar.advance(f"{len(failures)} failed" if failures else "")
        if not self.return_failed_examples:
            return results
        failures.sort(key=lambda failure: failure[0])
        self.failed_examples = [exec_pairs[index][1] for index, _ in failures]
        self.exceptions = [error for _, error in failures]
        return results, self.failed_examples, self.exceptions

    def _call(self, module: Any, given: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
        # A stand-in of a test, such as a `MagicMock`, only seems to have an asynchronous form.
        awaited = inspect.iscoroutinefunction(getattr(module, "acall", None))
        call = module.acall if awaited else partial(run_sync, module)
        if isinstance(given, Example):
            return partial(call, **dict(given.inputs().items())) if self.access_examples else partial(call, given)
        if isinstance(given, dict):
            return partial(call, **given)
        if isinstance(given, tuple):
            return partial(call, *given)
        if isinstance(given, list) and isinstance(module, Parallel):
            return partial(call, given)
        raise UsageError(
            f"Invalid example type: {type(given)}, only supported types are Example, dict, tuple, and a list of pairs "
            "for a Parallel."
        )

    def _refuse_more_failures(self, results: list[Any], failures: list[tuple[int, BaseException]]) -> None:
        most = self.max_errors
        if len(failures) < most:
            return
        _, error = failures[-1]
        raise BatchInterrupted(
            f"Execution cancelled due to errors or interruption. {len(failures)} of {len(results)} calls failed "
            f"(max_errors={most}), the last of them with {type(error).__name__}: {error}",
            results,
            failures,
        )
