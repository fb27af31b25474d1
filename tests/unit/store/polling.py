"""Waiting in tests for what other threads and processes do: polled, and never timed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

GIVE_UP_S = 60.0


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until `happened`; give up (`TimeoutError`) when something must be broken."""
    async with asyncio.timeout(GIVE_UP_S):
        while not await happened():  # noqa: ASYNC110 - no event of this loop tells
            await asyncio.sleep(0.01)
