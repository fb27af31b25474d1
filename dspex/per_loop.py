"""State that belongs to one event loop: connections, queues and calls in flight cannot be shared between loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value for each event loop, made at first use and dropped after the loop is closed.

    Args:
        make: Makes a loop's value; called on that loop.
        discard: Called with the value of a loop that was closed.
    """

    def __init__(self, make: Callable[[], T], discard: Callable[[T], None] | None = None) -> None:
        self._make = make
        self._discard = discard
        self._values: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        value = self._values.get(loop)
        if value is None:
            self._drop_closed()
            value = self._values[loop] = self._make()
        return value

    def items(self) -> list[tuple[asyncio.AbstractEventLoop, T]]:
        """All loops that have a value, with it."""
        return list(self._values.items())

    def pop(self, loop: asyncio.AbstractEventLoop) -> T | None:
        """Take out the value of `loop`; None if it has none."""
        return self._values.pop(loop, None)

    def _drop_closed(self) -> None:
        for loop in [loop for loop in self._values if loop.is_closed()]:
            value = self._values.pop(loop, None)
            if value is not None and self._discard is not None:
                self._discard(value)
