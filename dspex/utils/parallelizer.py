"""`ParallelExecutor`: a function of the user's on many items at once, in threads.

`Evaluate` and `Parallel` run programs together without a thread for each. This is for any function, also one that
blocks: threads are what DSPy's users of it expect.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dspex.bridge import wait_for
from dspex.execution.parallel import BatchInterrupted
from dspex.execution.progress import Bar, progress
from dspex.settings import settings

logger = logging.getLogger(__name__)

_Outcome = tuple[int, Any, BaseException | None]


class ParallelExecutor:
    """Runs a function on each of many items. The caller's settings, usage tracker and callbacks hold in the threads.

    Args:
        num_threads: Items in work at once, `settings.num_threads` by default. With 1 the caller's own thread works.
        max_errors: Failures that end the whole, `settings.max_errors` by default.
        disable_progress_bar: Whether to show no progress.
        provide_traceback: Whether to log tracebacks of failures.
        compare_results: Whether results are tuples that end in a score, to show the average of.
        timeout: Seconds after which an item that is still in work is tried once more, when no more than
            `straggler_limit` are left: the first result counts. 0: never.
        straggler_limit: See `timeout`.

    After `execute`, `failed_indices` and `exceptions_map` (by index) tell what failed.

    Source: DSPy's class of this name.
    """

    def __init__(
        self,
        num_threads: int | None = None,
        max_errors: int | None = None,
        disable_progress_bar: bool = False,
        provide_traceback: bool | None = None,
        compare_results: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
    ) -> None:
        self.num_threads: int = num_threads or settings.num_threads
        self.max_errors: int = settings.max_errors if max_errors is None else max_errors
        self.disable_progress_bar = disable_progress_bar
        self.provide_traceback = settings.provide_traceback if provide_traceback is None else provide_traceback
        self.compare_results = compare_results
        self.timeout = timeout
        self.straggler_limit = straggler_limit
        self.error_count = 0
        self.error_lock = threading.Lock()
        self.cancel_jobs = threading.Event()
        self.failed_indices: list[int] = []
        self.exceptions_map: dict[int, BaseException] = {}

    def execute(self, function: Callable[[Any], Any], data: Sequence[Any]) -> list[Any]:
        """Call a function on every item, many at once.

        Args:
            function: The function of one item.
            data: The items.

        Returns:
            The results in the order of `data`, None for an item that failed.

        Raises:
            BatchInterrupted: `max_errors` items failed. It holds the results so far.
        """
        items = list(data)
        done = _Results(len(items), self.compare_results)
        with progress("Processed", len(items), shown=not self.disable_progress_bar) as bar:
            if self.num_threads == 1:
                self._one_by_one(function, items, done, bar)
            else:
                wait_for(self._at_once(function, items, done, bar))
        if done.stop is not None:
            raise done.stop
        if self.cancel_jobs.is_set():
            logger.warning("Execution cancelled due to errors or interruption.")
            raise BatchInterrupted(
                f"Execution cancelled due to errors or interruption: {self.error_count} of {len(items)} items failed "
                f"(max_errors={self.max_errors}).",
                done.results,
                list(self.exceptions_map.items()),
            )
        return done.results

    def _one_by_one(self, function: Callable[[Any], Any], items: list[Any], done: _Results, bar: Bar) -> None:
        for index, item in enumerate(items):
            if self.cancel_jobs.is_set():
                return
            self._note(contextvars.copy_context().run(self._try, function, index, item), done, bar)

    async def _at_once(self, function: Callable[[Any], Any], items: list[Any], done: _Results, bar: Bar) -> None:
        pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="dspex-parallel")
        loop = asyncio.get_running_loop()
        started: dict[int, float] = {}

        def submit(index: int) -> asyncio.Future[_Outcome]:
            def work() -> _Outcome:
                started.setdefault(index, time.monotonic())
                return self._try(function, index, items[index])

            return loop.run_in_executor(pool, contextvars.copy_context().run, work)

        pending = {submit(index) for index in range(len(items))}
        tried_again: set[int] = set()
        try:
            while len(done) < len(items) and not self.cancel_jobs.is_set():
                finished, pending = await asyncio.wait(
                    pending, timeout=self._until_straggling(started, done, tried_again), return_when="FIRST_COMPLETED"
                )
                for future in finished:
                    self._note(future.result(), done, bar)
                for index in self._stragglers(started, done, tried_again):
                    tried_again.add(index)
                    pending.add(submit(index))
        except asyncio.CancelledError:
            self.cancel_jobs.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _try(self, function: Callable[[Any], Any], index: int, item: Any) -> _Outcome:
        if self.cancel_jobs.is_set():
            return index, None, None
        try:
            return index, function(item), None
        except Exception as error:  # noqa: BLE001 - the user's function may fail in any way; it is counted
            self._count(item, error)
            return index, None, error
        except BaseException as error:  # noqa: BLE001 - Ctrl-C and the like: raised by `execute`, not in a thread
            return index, None, error

    def _count(self, item: Any, error: Exception) -> None:
        with self.error_lock:
            self.error_count += 1
            if self.error_count >= self.max_errors:
                self.cancel_jobs.set()
        hint = (
            f"\n{traceback.format_exc()}" if self.provide_traceback else ". Set `provide_traceback=True` for traceback."
        )
        logger.error("Error for %s: %s%s", item, error, hint)

    def _note(self, outcome: _Outcome, done: _Results, bar: Bar) -> None:
        index, result, error = outcome
        if error is not None and not isinstance(error, Exception):
            done.stop = error
            self.cancel_jobs.set()
            return
        if not done.take(index, result, failed=error is not None):
            return
        if error is not None:
            self.failed_indices.append(index)
            self.exceptions_map[index] = error
        bar.advance(done.summary())

    def _stragglers(self, started: dict[int, float], done: _Results, tried_again: set[int]) -> list[int]:
        """Those in work for longer than `timeout`, when few are left."""
        if self.timeout <= 0 or done.left() > self.straggler_limit or self.cancel_jobs.is_set():
            return []
        late = time.monotonic() - self.timeout
        return [i for i, start in started.items() if start <= late and i not in done and i not in tried_again]

    def _until_straggling(self, started: dict[int, float], done: _Results, tried_again: set[int]) -> float | None:
        """Seconds to wait for a result before an item counts as a straggler."""
        if self.timeout <= 0 or done.left() > self.straggler_limit:
            return None
        waits = [start + self.timeout for i, start in started.items() if i not in done and i not in tried_again]
        if waits:
            return max(min(waits) - time.monotonic(), 0.01)
        return self.timeout if len(tried_again) < done.left() else None  # not begun yet, or all tried again


class _Results:
    """The results so far."""

    def __init__(self, count: int, scored: bool) -> None:
        self.results: list[Any] = [None] * count
        self.stop: BaseException | None = None
        self._finished: set[int] = set()
        self._scores: list[Any] | None = [] if scored else None

    def take(self, index: int, result: Any, failed: bool) -> bool:
        """Keep the first result of an item; whether it was the first."""
        if index in self._finished:
            return False
        self._finished.add(index)
        if not failed:
            self.results[index] = result
            if self._scores is not None and result is not None:
                self._scores.append(result[-1])
        return True

    def summary(self) -> str:
        if self._scores is None:
            return ""
        total, count = sum(self._scores), len(self._scores)
        return f"Average Metric: {total:.2f} / {count} ({round(100 * total / count, 1) if count else 0}%)"

    def left(self) -> int:
        return len(self.results) - len(self._finished)

    def __contains__(self, index: int) -> bool:
        return index in self._finished

    def __len__(self) -> int:
        return len(self._finished)
