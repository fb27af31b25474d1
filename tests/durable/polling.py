"""Poll for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Poll an asynchronous condition."""
    for _ in range(int(seconds / 0.1)):
        if found := await condition():
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"Not within {seconds:.0f} s: {what}")
