"""Make many calls at once and gather their results: the loop of `Module.batch` and of `Parallel`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from dspex.bridge import run_sync
from dspex.errors import DSPyError
from dspex.execution.attempt import RetryPolicy
from dspex.execution.concurrent import ConcurrentAttempts, attempt_call
from dspex.execution.progress import progress


class BatchInterrupted(DSPyError):
    """So many calls failed (`max_errors`) that the rest was not made.

    Args:
        message: What happened.
        results: The results so far, None where there is none.
        failures: The index and the error of each failed call.
    """

    def __init__(self, message: str, results: list[Any], failures: list[tuple[int, BaseException]]) -> None:
        super().__init__(message)
        self.results = results
        self.failures = failures


async def run_parallel(
    calls: Sequence[Callable[[], Awaitable[Any]]],
    *,
    in_flight: int,
    max_errors: int,
    show_progress: bool = True,
    provide_traceback: bool | None = None,
    retry_policy: RetryPolicy | None = None,
) -> tuple[list[Any], list[tuple[int, BaseException]]]:
    """Make all `calls`, `in_flight` of them at once.

    Trouble of the provider is waited out and the call made again; a call's own failure is logged and counted.

    Args:
        calls: Functions without arguments, each called once, or again after trouble of the provider.
        in_flight: How many calls are under way at once.
        max_errors: How many failures end the whole.
        show_progress: Whether to show a bar.
        provide_traceback: Whether to log tracebacks of failures; by default ``settings.provide_traceback``.
        retry_policy: How long to wait out trouble of the provider.

    Returns:
        The results in the order of `calls`, None for a failed one; and (index, error) of each failed call, by index.

    Raises:
        BatchInterrupted: `max_errors` calls failed.
        LMError, StoreError: the infrastructure failed for longer than `retry_policy`, or the set-up is wrong.
    """
    results: list[Any] = [None] * len(calls)
    failures: list[tuple[int, BaseException]] = []
    attempts = ConcurrentAttempts("batch", "call", in_flight, provide_traceback, retry_policy or RetryPolicy())
    with progress("Running", len(calls), shown=show_progress) as bar:
        async with aclosing(attempts.outcomes(partial(attempt_call, call) for call in calls)) as outcomes:
            async for index, outcome in outcomes:
                if outcome.error is None:
                    results[index] = outcome.prediction
                else:
                    failures.append((index, outcome.error))
                    _refuse_more_failures(max_errors, results, failures)
                bar.advance(f"{len(failures)} failed" if failures else "")
    return results, sorted(failures, key=lambda failure: failure[0])


def asynchronous(callee: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return the asynchronous form of a module or function: its ``acall``, or itself beside the event loop."""
    # A test double, such as a `MagicMock`, only seems to have an asynchronous form.
    if inspect.iscoroutinefunction(getattr(callee, "acall", None)):
        return callee.acall  # type: ignore[no-any-return]
    return partial(run_sync, callee)


def _refuse_more_failures(max_errors: int, results: list[Any], failures: list[tuple[int, BaseException]]) -> None:
    if len(failures) < max_errors:
        return
    _, error = failures[-1]
    raise BatchInterrupted(
        f"Execution cancelled due to errors or interruption. {len(failures)} of {len(results)} calls failed "
        f"(max_errors={max_errors}), the last of them with {type(error).__name__}: {error}",
        results,
        failures,
    )
