"""Identical calls that are in progress at once become one.

The call runs in a task of its own: a waiter may be cancelled, and the call goes on and its answer is kept. Only a call
that nobody waits for any more *and* that has not been sent yet is given up (`Flight.wanted`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One call in progress and its waiters.

    Args:
        key: What makes calls identical.
        owner: The calls in progress that this one is among.
    """

    __slots__ = ("key", "owner", "task", "waiting")

    def __init__(self, key: str, owner: SingleFlight[T]) -> None:
        self.key = key
        self.owner = owner
        self.waiting: set[asyncio.Future[T]] = set()
        self.task: asyncio.Task[None]

    def wanted(self) -> bool:
        """Whether any caller still waits. If not, later callers start a new call."""
        if self.waiting:
            return True
        self.owner.forget(self)
        return False


class SingleFlight(Generic[T]):
    """The calls in progress on one event loop."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight[T]] = {}

    async def do(self, key: str, start: Callable[[Flight[T]], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Wait for the call `key`, and start it if it is not in progress.

        Args:
            key: What makes calls identical.
            start: Makes the call. It runs as a task of its own, which goes on when a waiter is cancelled.

        Returns:
            The call's result, and whether it came from a call that was already in progress.

        Raises:
            Exception: whatever the call raises; every waiter gets it.
        """
        loop = asyncio.get_running_loop()
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = Flight(key, self)
            flight.task = loop.create_task(self._fly(flight, start))
        place: asyncio.Future[T] = loop.create_future()
        flight.waiting.add(place)
        try:
            return await place, joined
        finally:
            flight.waiting.discard(place)

    def forget(self, flight: Flight[T]) -> None:
        """Let newcomers start a call of their own instead of waiting for `flight`."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def under_way(self) -> list[asyncio.Task[None]]:
        """Return the tasks of all calls in progress."""
        return [flight.task for flight in self._flights.values()]

    async def _fly(self, flight: Flight[T], start: Callable[[Flight[T]], Coroutine[Any, Any, T]]) -> None:
        """Make the call and give its result to those who wait. If all were cancelled, a failure is dropped."""
        try:
            result = await start(flight)
        except asyncio.CancelledError:
            for place in self._landed(flight):
                place.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised where the call is waited for
            for place in self._landed(flight):
                place.set_exception(error)
        else:
            for place in self._landed(flight):
                place.set_result(result)

    def _landed(self, flight: Flight[T]) -> list[asyncio.Future[T]]:
        self.forget(flight)
        return [place for place in flight.waiting if not place.done()]
