"""Many pieces of work at once, a bounded number of them in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from dspex.bridge import held

R = TypeVar("R")


async def run_concurrently(jobs: Iterable[Callable[[], Coroutine[Any, Any, R]]], limit: int) -> AsyncGenerator[R, None]:
    """Run jobs, and yield their results as they finish, in any order.

    A job starts when another has ended, so memory does not grow with their number, and a slow one holds up nobody. A
    consumer that is slower than the jobs slows them down. When a job raises, or the consumer stops (use
    `contextlib.aclosing`), those in flight are cancelled and waited for.

    Args:
        jobs: Functions without arguments that return a coroutine; taken one by one.
        limit: The most jobs that run at a time, at least 1.

    Raises:
        BaseException: whatever a job raised.
    """
    waiting = iter(jobs)
    unclaimed: set[asyncio.Task[Any]] = set()
    finished: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    try:
        while True:
            for job in _take(waiting, max(limit, 1) - len(unclaimed)):
                task = asyncio.create_task(held(job()))
                unclaimed.add(task)
                task.add_done_callback(finished.put_nowait)
            if not unclaimed:
                return
            task = await finished.get()
            unclaimed.discard(task)
            result, stop = task.result()
            if stop is not None:
                raise stop
            yield result  # type: ignore[misc]  # what the job gave: it was not stopped
    finally:
        await _cancel(unclaimed)


def _take(waiting: Iterable[Any], count: int) -> Iterable[Any]:
    for _ in range(count):
        try:
            yield next(waiting)  # type: ignore[call-overload]
        except StopIteration:
            return


async def _cancel(tasks: set[asyncio.Task[R]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
