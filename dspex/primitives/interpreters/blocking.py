"""Calls that block a thread, made so that other programs go on meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from dspex.bridge import in_sync_code, wait_for


def call_blocking(function: Callable[..., Any], *args: Any) -> Any:
    """Call what blocks a thread; from a greenlet, in a thread of its own, so that other programs go on.

    Args:
        function: The function that blocks.
        *args: Its arguments.
    """
    return wait_for(_from_thread(function, *args)) if in_sync_code() else function(*args)


async def _from_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.wrap_future(in_daemon_thread(function, *args))


def in_daemon_thread(function: Callable[..., Any], *args: Any) -> Future[Any]:
    """Call a function in a thread that the end of this process does not wait for.

    Args:
        function: The function; it sees the context variables of the caller.
        *args: Its arguments.

    Returns:
        A future of its result.
    """
    done: Future[Any] = Future()
    copied = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(copied.run(function, *args))
        except BaseException as error:  # noqa: BLE001 - the future holds it
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done
