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
    """Await `call()`, and call again every half second while the server is away.

    Args:
        call: Makes one request to the server.
        tries: How many calls to make at most; the default is about two minutes of them.

    Raises:
        RPCError: the server refused the request, or was away for all the tries.
    """
    while True:
        try:
            return await call()
        except RPCError as error:
            tries -= 1
            if error.status not in _PASSING or tries <= 0:
                raise
        await asyncio.sleep(_EVERY_S)
