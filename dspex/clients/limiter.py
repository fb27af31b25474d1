"""How many calls an endpoint gets at once, and when it gets none.

Refusals in a row (429 with `Retry-After`) stop every call to the endpoint, not only those that were refused, so that
sixty-four callers do not knock sixty-four times. A refusal among answers makes its own caller wait, and nobody else:
an endpoint that turns away one call in ten, at any load, is not slowed down to a tenth. When the pause is over they
do not all return at once either: first as many as the endpoint lately accepted between two refusals and half as many
again, then one more for each call it answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from dspex.errors import LMRateLimitError

PATIENCE_SECONDS = 60.0
"""A pause longer than this is not waited for here: the call fails, and who called decides (a durable timer, say)."""

_IN_A_ROW = 6
"""Refusals without an answer in between that mean the endpoint itself has had enough."""

_FEW = 1
_MANY = 1 << 20


class Gate:
    """The calls under way to one endpoint from one event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._active = 0
        self._ceiling = _MANY
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._paused_until = 0.0
        self._accepted = 0
        self._refused = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, limit: int, again: bool = False) -> None:
        """Wait for one of `limit` places. Leave it again with `leave`.

        Who comes `again`, after a refusal, goes before all others: the first calls after a pause are the ones most
        likely to be accepted, and it has fewer tries left.

        Raises:
            LMRateLimitError: the endpoint asked for a pause longer than `PATIENCE_SECONDS`.
        """
        if self._active < limit and self._active < self._ceiling and not self._waiting and not self._paused():
            self._active += 1
            return
        if (too_long := self._too_long()) is not None:
            raise too_long
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)((limit, place))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        self._active -= 1
        self._admit()

    def answered(self) -> None:
        """The endpoint accepted a call."""
        self._accepted += 1
        self._refused = 0
        if self._ceiling < _MANY:
            self._ceiling += 1

    def refused(self, seconds: float) -> bool:
        """The endpoint refused a call and asked for `seconds` of rest. Whether all calls now wait for that."""
        self._refused += 1
        if self._refused < min(_IN_A_ROW, self._active) and seconds <= PATIENCE_SECONDS:
            return False
        self.pause(seconds)
        return True

    def pause(self, seconds: float) -> None:
        """Let nobody in for `seconds`."""
        until = self._now() + seconds
        if until > self._paused_until:
            self._paused_until = until
            self._ring_later(seconds)
            self._send_away()

    def _paused(self) -> bool:
        return self._paused_until > 0.0 and self._paused_until > self._now()

    def _too_long(self) -> LMRateLimitError | None:
        left = self._paused_until - self._now()
        if left <= PATIENCE_SECONDS:
            return None
        return LMRateLimitError(f"The provider asked for a pause; {left:.0f} s of it are left", retry_after=left)

    def _send_away(self) -> None:
        """Nobody waits here for a pause that is too long."""
        while self._waiting and (too_long := self._too_long()) is not None:
            _, place = self._waiting.popleft()
            if not place.done():
                place.set_exception(too_long)

    def _ring_later(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._alarm = None
        if self._paused():  # a timer may ring a clock tick early
            self._ring_later(self._paused_until - self._now())
            return
        self._ceiling = max(_FEW, self._accepted + self._accepted // 2)
        self._accepted = 0
        self._admit()

    def _admit(self) -> None:
        """Let in, in order of arrival, as many as there are places for."""
        while self._waiting and not self._paused():
            limit, place = self._waiting[0]
            if place.done():
                self._waiting.popleft()
            elif self._active < min(limit, self._ceiling):
                self._waiting.popleft()
                self._active += 1
                place.set_result(None)
            else:
                return
