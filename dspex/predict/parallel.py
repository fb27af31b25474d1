"""`Parallel`: many calls of modules at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from dspex.bridge import wait_for
from dspex.errors import UsageError
from dspex.execution.attempt import RetryPolicy
from dspex.execution.parallel import BatchInterrupted, asynchronous, run_parallel
from dspex.primitives.example import Example
from dspex.settings import settings

__all__ = ["BatchInterrupted", "Parallel"]


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
        """Run each module on its inputs, many at once.

        Args:
            exec_pairs: Pairs of a module (or any function) and what to call it with: an `Example` (its inputs), a dict
                of keywords, a tuple of positional arguments or, for a `Parallel`, a list of pairs.
            num_threads: The most calls in flight; by default the `num_threads` of this object.

        Returns:
            The results in the order of `exec_pairs`, None for a failed one; with `return_failed_examples` a tuple of
            the results, the inputs that failed, and their errors.

        Raises:
            BatchInterrupted: `max_errors` calls failed.
            UsageError: what a module is to be called with is none of these.
        """
        return wait_for(self.acall(exec_pairs, num_threads))

    def forward(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
        """Run each module on its inputs, as calling this object does (DSPy's name)."""
        return self(exec_pairs, num_threads)

    async def acall(self, exec_pairs: Sequence[tuple[Any, Any]], num_threads: int | None = None) -> Any:
        """Run each module on its inputs from asynchronous code; otherwise this is as calling the object."""
        calls = [self._call(module, given) for module, given in exec_pairs]
        results, failures = await run_parallel(
            calls,
            in_flight=num_threads or self.num_threads,
            max_errors=self.max_errors,
            show_progress=not self.disable_progress_bar,
            provide_traceback=self.provide_traceback,
            retry_policy=self.patience,
        )
        if not self.return_failed_examples:
            return results
        self.failed_examples = [exec_pairs[index][1] for index, _ in failures]
        self.exceptions = [error for _, error in failures]
        return results, self.failed_examples, self.exceptions

    def _call(self, module: Any, given: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
        call = asynchronous(module)
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
