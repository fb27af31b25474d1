"""Identical calls that are under way at once become one.

The call runs in a task of its own: who waits for it may be cancelled, the call goes on, and its answer is kept. Only a
call that nobody waits for any more *and* that has not been sent yet is given up (`Flight.wanted`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One call under way and the number of those who wait for it."""

    __slots__ = ("key", "owner", "task", "waiters")

    def __init__(self, key: str, owner: SingleFlight[T]) -> None:
        self.key = key
        self.owner = owner
        self.waiters = 0
        self.task: asyncio.Task[T]

    def wanted(self) -> bool:
        """Whether somebody still waits. If not, newcomers start a call of their own from here on."""
        if self.waiters:
            return True
        self.owner.forget(self)
        return False


class SingleFlight(Generic[T]):
    """The calls under way on one event loop."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight[T]] = {}

    async def do(self, key: str, start: Callable[[Flight[T]], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The result of the call `key`, and whether it was somebody else's call that gave it."""
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = Flight(key, self)
            flight.task = asyncio.get_running_loop().create_task(start(flight))
            flight.task.add_done_callback(lambda task, flight=flight: self._landed(flight, task))  # type: ignore[misc]
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.waiters -= 1

    def forget(self, flight: Flight[T]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def under_way(self) -> list[asyncio.Task[T]]:
        return [flight.task for flight in self._flights.values()]

    def _landed(self, flight: Flight[T], task: asyncio.Task[T]) -> None:
        self.forget(flight)
        if not task.cancelled():
            task.exception()  # seen: if all who waited were cancelled, a failure is nobody's news
