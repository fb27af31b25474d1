"""Waiting for a time of day, unless something is stopped before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

_PAUSE = 0.01
"""Seconds that are too few to be waited for."""


async def stopped_before(due: float, stop: asyncio.Event, now: Callable[[], float]) -> bool:
    """Wait until `due`, others first. Whether `stop` was set in time."""
    await asyncio.sleep(0)
    left = due - now()
    if left > _PAUSE:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), left)
    return stop.is_set()
