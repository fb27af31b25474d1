"""`Parallel`: many calls of modules at once."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from dspex.bridge import run_sync, wait_for
from dspex.errors import DSPyError, UsageError
from dspex.primitives.example import Example
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.clients.scope import CallScope
    from dspex.runner.attempt import Attempt, Patience

logger = logging.getLogger("dspex.predict")


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
        patience: Patience | None = None,
    ) -> None:
        self.num_threads = num_threads
        self.max_errors = max_errors
        self.access_examples = access_examples
        self.return_failed_examples = return_failed_examples
        self.provide_traceback = provide_traceback
        self.disable_progress_bar = disable_progress_bar
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
        from dspex.evaluate.progress import progress
        from dspex.runner.attempt import scopes_for
        from dspex.runner.pool import run_concurrently

        calls = [self._call(module, given) for module, given in exec_pairs]
        results: list[Any] = [None] * len(calls)
        failures: list[tuple[int, BaseException]] = []
        scope_of = scopes_for("batch")
        jobs = (partial(self._one, index, call, scope_of(index)) for index, call in enumerate(calls))
        limit = num_threads or self.num_threads or settings.num_threads
        with progress("Running", len(calls), shown=not self.disable_progress_bar) as bar:
            async with aclosing(run_concurrently(jobs, limit)) as finished:
                async for index, outcome in finished:
                    if outcome.error is None:
                        results[index] = outcome.prediction
                    else:
                        failures.append((index, outcome.error))
                        self._note_failure(results, failures)
                    bar.advance(f"{len(failures)} failed" if failures else "")
        if not self.return_failed_examples:
            return results
        failures.sort(key=lambda failure: failure[0])
        return results, [exec_pairs[index][1] for index, _ in failures], [error for _, error in failures]

    async def _one(
        self, index: int, call: Callable[[], Coroutine[Any, Any, Any]], scope: CallScope
    ) -> tuple[int, Attempt]:
        from dspex.runner.attempt import FAULTS, Attempt, Patience, patiently

        async def once() -> Attempt:
            try:
                return Attempt(prediction=await call())
            except FAULTS as error:
                return Attempt(error=error)

        return index, await patiently(once, scope=scope, patience=self.patience or Patience())

    def _call(self, module: Any, given: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
        call = module.acall if hasattr(module, "acall") else partial(run_sync, module)
        if isinstance(given, Example):
            return partial(call, **dict(given.inputs().items())) if self.access_examples else partial(call, given)
        if isinstance(given, dict):
            return partial(call, **given)
        if isinstance(given, tuple):
            return partial(call, *given)
        if isinstance(given, list) and isinstance(module, Parallel):
            return partial(call, given)
        raise UsageError(f"A module is called with an Example, a dict or a tuple, not with a {type(given).__name__}.")

    def _note_failure(self, results: list[Any], failures: list[tuple[int, BaseException]]) -> None:
        index, error = failures[-1]
        told = settings.provide_traceback if self.provide_traceback is None else self.provide_traceback
        details = "\n" + "".join(traceback.format_exception(error)) if told else ""
        logger.warning("Call %d failed: %s: %s%s", index, type(error).__name__, error, details)
        most = settings.max_errors if self.max_errors is None else self.max_errors
        if len(failures) >= most:
            raise BatchInterrupted(
                f"Stopped after {len(failures)} failed calls of {len(results)} (max_errors={most}), "
                f"the last of them with {type(error).__name__}: {error}",
                results,
                failures,
            )
