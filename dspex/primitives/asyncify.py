"""`asyncify`: a synchronous program for asynchronous code, in a thread of its own."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dspex.per_loop import PerLoop
from dspex.settings import settings

if TYPE_CHECKING:
    from anyio import CapacityLimiter


def asyncify(program: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Make a coroutine function that runs `program` in a worker thread, with the settings of the code that awaits it.

    At most ``settings.async_max_workers`` such programs run at once on an event loop; the others wait their turn. Code
    that may block an event loop belongs here. A program that only asks LMs needs no thread: ``await
    program.acall(...)`` runs its synchronous `forward` as well, and thousands at a time.

    When its caller is cancelled the thread runs on, as threads cannot be stopped; its result is dropped.

    Args:
        program: A module or any other synchronous callable; the coroutine function takes its arguments.
    """

    async def async_program(*args: Any, **kwargs: Any) -> Any:
        import anyio.to_thread

        call = functools.partial(program, *args, **kwargs)  # anyio gives the thread the caller's context
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=get_limiter())

    return async_program


def get_async_max_workers() -> int:
    """The most programs in threads at once: ``settings.async_max_workers``."""
    workers: int = settings.async_max_workers
    return workers


def get_limiter() -> CapacityLimiter:
    """The limiter of the running event loop (outside one, of this process), set to `get_async_max_workers`."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        limiter = _process_limiter()
    else:
        limiter = _limiters.get()
    workers = get_async_max_workers()
    if limiter.total_tokens != workers:
        limiter.total_tokens = workers
    return limiter


@functools.cache
def _process_limiter() -> CapacityLimiter:
    """For callers outside an event loop, which read its settings; no program waits for it."""
    return _make()


def _make() -> CapacityLimiter:
    from anyio import CapacityLimiter

    return CapacityLimiter(get_async_max_workers())


_limiters: PerLoop[Any] = PerLoop(_make)
