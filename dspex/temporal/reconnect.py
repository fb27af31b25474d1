"""A server that restarts must not end the client's wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")

_PASSING = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.UNKNOWN)
_EVERY_S = 0.5

FOR_EVER = sys.maxsize


async def with_reconnects(call: Callable[[], Awaitable[T]], *, tries: int = 240) -> T:
    """Make a call, and repeat it every half second while the server does not answer.

    Args:
        call: The call.
        tries: How often at most; by default for about two minutes.

    Raises:
        RPCError: the server refused the call, or did not answer for so long.
    """
    while True:
        try:
            return await call()
        except RPCError as error:
            tries -= 1
            if error.status not in _PASSING or tries <= 0:
                raise
        await asyncio.sleep(_EVERY_S)
