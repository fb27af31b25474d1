"""Synchronous user code on an asynchronous engine.

A plain ``def forward`` runs in a greenlet; where it needs an answer from the network it calls `wait_for`, which
switches to the greenlet's event loop and comes back with the result. So thousands of synchronous programs wait at
once on one thread. Outside such a greenlet (a script, a notebook, a user's thread) `wait_for` hands the coroutine to
one background event loop, the engine's, and blocks the calling thread alone. The technique is that of SQLAlchemy's
asyncio layer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import greenlet

P = ParamSpec("P")
T = TypeVar("T")

_IN_MEMORY_LM_WAITED = "An LM that calls itself `in_memory` had to wait. Remove that attribute from its class."


class _SyncCode(greenlet.greenlet):
    """A greenlet that runs synchronous code on behalf of an event loop.

    The code in it does not see that loop running, so that it may call `asyncio.run`, as in a thread of its own.
    """

    loop: asyncio.AbstractEventLoop | None = None
    """The loop that the synchronous code has running itself, while it waits."""

    def enter(self, switch: Callable[..., Any], *args: Any) -> Any:
        """`switch` to this greenlet, and come back when it waits or ends."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self.loop)
        try:
            return switch(*args)
        finally:
            self.loop = asyncio._get_running_loop()
            asyncio._set_running_loop(outer)


def in_sync_code() -> bool:
    """Whether the caller is synchronous code started with `run_sync`."""
    return isinstance(greenlet.getcurrent(), _SyncCode)


async def run_sync(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a synchronous function from asynchronous code; each `wait_for` inside it awaits on this event loop.

    The function shares the caller's context variables. Cancelling the caller raises `CancelledError` inside it.

    Args:
        function: The function.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returns.
    """
    child = _SyncCode(lambda: function(*args, **kwargs), greenlet.getcurrent())
    child.gr_context = greenlet.getcurrent().gr_context
    outcome = child.enter(child.switch)
    while not child.dead:
        try:
            value = await outcome
        except BaseException as error:  # noqa: BLE001  # thrown on into the code that waits
            outcome = child.enter(child.throw, error)
        else:
            outcome = child.enter(child.switch, value)
    return outcome  # type: ignore[no-any-return]


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for `coroutine` from synchronous code, wherever that runs, and return its result."""
    current = greenlet.getcurrent()
    if isinstance(current, _SyncCode):
        parent = current.parent
        assert parent is not None
        return parent.switch(coroutine)  # type: ignore[no-any-return]
    if threading.get_ident() == _engine.thread_id:
        coroutine.close()
        raise RuntimeError(
            "Synchronous dspex code was called from a coroutine of dspex's own event loop, which it would block. "
            "Await the asynchronous form instead (`acall`)."
        )
    future = asyncio.run_coroutine_threadsafe(held(coroutine), engine_loop())
    try:
        value, stop = future.result()
    except BaseException:
        future.cancel()  # of effect when the wait itself was broken off, as by Ctrl-C
        raise
    if stop is not None:
        raise stop
    return value  # type: ignore[return-value]


async def as_coroutine(awaitable: Awaitable[T]) -> T:
    """Make a coroutine of any awaitable, for `wait_for`."""
    return await awaitable


async def held(coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """Await a coroutine, and return its result, or the KeyboardInterrupt or SystemExit that it ended with.

    An event loop breaks off when a task raises one of these, and the engine's must not.
    """
    try:
        return await coroutine, None
    except (KeyboardInterrupt, SystemExit) as stop:
        return None, stop


def finish_now(coroutine: Coroutine[Any, Any, T], *, complaint: str = _IN_MEMORY_LM_WAITED) -> T:
    """Run a coroutine that never has to wait, here and now, without an event loop.

    Args:
        coroutine: The coroutine; its result is returned.
        complaint: The error's message if it waits.

    Raises:
        RuntimeError: it had to wait after all.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError(complaint)


class _Engine:
    """The background event loop of this process, started at first use."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread_id: int | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None or self.loop.is_closed():
                self.loop = asyncio.new_event_loop()
                ready = threading.Event()
                threading.Thread(target=self._run, args=(self.loop, ready), name="dspex-engine", daemon=True).start()
                ready.wait()
            return self.loop

    def _run(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        self.thread_id = threading.get_ident()
        loop.call_soon(ready.set)
        loop.run_forever()

    def forget(self) -> None:
        """In a forked child the thread is gone: start anew."""
        self.lock, self.loop, self.thread_id = threading.Lock(), None, None


_engine = _Engine()


def engine_loop() -> asyncio.AbstractEventLoop:
    """The event loop that synchronous callers share."""
    loop = _engine.loop
    return loop if loop is not None and not loop.is_closed() else _engine.start()


def on_engine_loop() -> bool:
    """Whether this is the engine's own event loop: a coroutine there works for a synchronous caller."""
    return threading.get_ident() == _engine.thread_id


def on_engine(coroutine: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Run `coroutine` on the engine's loop and return a future of the caller's running loop.

    Cancelling the future cancels the coroutine.
    """
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, engine_loop()))


def _register_fork() -> None:
    import os

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_engine.forget)


_register_fork()
