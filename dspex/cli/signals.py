"""SIGINT and SIGTERM in commands that run until they are told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress


def on_stop_signal(handler: Callable[[], None]) -> None:
    """Call `handler` at each SIGINT and SIGTERM. For the running event loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handler)


async def sleep_unless(stopped: asyncio.Event, seconds: float) -> None:
    """Sleep for so many seconds, or until `stopped` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)
