"""Programs that nobody waits for any more ask no LM any more.

Synchronous code in a thread cannot be stopped from outside; but what it costs are its LM calls, and those it makes
through us.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_abandoned: ContextVar[threading.Event | None] = ContextVar("dspex_abandoned", default=None)


@contextmanager
def abandonable(abandoned: threading.Event) -> Iterator[None]:
    """Refuse the LM calls of the code inside the block, and of what it starts, once `abandoned` is set."""
    token = _abandoned.set(abandoned)
    try:
        yield
    finally:
        _abandoned.reset(token)


def refuse_if_abandoned() -> None:
    """Raise `CancelledError` in a program that nobody waits for any more."""
    abandoned = _abandoned.get()
    if abandoned is not None and abandoned.is_set():
        raise asyncio.CancelledError("Nobody reads this program's stream any more")
