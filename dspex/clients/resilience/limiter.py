"""Who may call an endpoint, and when: at most so many at once, no faster than it takes, and not while it is down.

How fast it takes calls is found out by `pace`; whether it is down, by `breaker`. Callers wait in order of arrival. Who
comes again after a refusal goes before all others: the first calls after a rest are the ones most likely to be taken,
and it has fewer tries left.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from dspex.clients.resilience.adaptive_rate import AdaptiveRateLimiter
from dspex.clients.resilience.circuit_breaker import CircuitBreaker
from dspex.errors import LMError, LMRateLimitError, LMServerError

PATIENCE_SECONDS = 60.0
"""A rest longer than this is not waited for here: the call fails, and who called decides (a durable timer, say)."""


class EndpointLimiter:
    """The calls under way to one endpoint with one key, from one event loop."""

    def __init__(self, name: str = "The endpoint", now: Callable[[], float] = time.monotonic) -> None:
        self.rate = AdaptiveRateLimiter(now)
        self.breaker = CircuitBreaker(name, now)
        self.tokens_a_call = 0.0
        """The average of the last ten or so."""
        self._active = 0
        self._waiting: deque[tuple[int, asyncio.Future[int]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, limit: int, again: bool = False, per_second: float | None = None) -> int:
        """Wait for one of `limit` places, and for one's turn if there are to be no more than `per_second` calls.

        If the call is refused, say so with the number returned. Then `leave`.

        Raises:
            LMRateLimitError: the endpoint asked for a rest longer than `PATIENCE_SECONDS`.
            LMServerError: the endpoint is down, and left alone for now.
        """
        self.breaker.admit()
        self.rate.limit(per_second)
        if self._active < limit and not self._waiting and not self.rate.wait():
            self._active += 1
            return self.rate.sent()
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)((limit, place))
        self._admit()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.abandoned()
                self.leave()
            raise

    def calls_per_second(self, rpm: float | None, tpm: float | None, tokens: float) -> float | None:
        """The pace that limits of requests and tokens a minute come to; a call is taken to use what the last ones did,
        or `tokens` if it is the first."""
        by_tokens = None if tpm is None else tpm / 60 / max(self.tokens_a_call or tokens, 1.0)
        limits = [each for each in (None if rpm is None else rpm / 60, by_tokens) if each is not None]
        return min(limits) if limits else None

    @property
    def active(self) -> int:
        """Calls under way."""
        return self._active

    @property
    def waiting(self) -> int:
        """Calls that wait for a place or for their turn."""
        return len(self._waiting)

    def leave(self) -> None:
        self._active -= 1
        self._admit()

    def answered(self) -> None:
        """The endpoint took a call, whatever it said."""
        self.breaker.succeeded()
        self.rate.answered()

    def used(self, tokens: int) -> None:
        """A call came to so many tokens."""
        self.tokens_a_call += (tokens - self.tokens_a_call) * (0.1 if self.tokens_a_call else 1.0)

    def refused(self, number: int, seconds: float) -> bool:
        """The endpoint turned a call away and asked for `seconds` of rest. Whether all calls now wait for that."""
        self.breaker.succeeded()
        self.rate.refused(number, seconds)
        if seconds > PATIENCE_SECONDS or self._active == 1:
            self.rate.rest(seconds)
        self._admit()
        return seconds > 0 and self.rate.resting >= seconds - 0.05

    def failed(self) -> None:
        """The endpoint did not answer, or with an error of its own."""
        self.breaker.failed()
        if self.breaker.state == "open":
            self._send_away()

    def abandoned(self) -> None:
        """A call that had its place was not made, or not to its end."""
        self.breaker.abandoned()

    def _admit(self) -> None:
        """Let in, in order of arrival, as many as there are places for and as the pace allows."""
        while self._waiting:
            limit, place = self._waiting[0]
            if place.done():
                self._waiting.popleft()
            elif self._active >= limit:
                return
            elif seconds := self.rate.wait():
                self._wait(seconds)
                return
            else:
                self._waiting.popleft()
                self._active += 1
                place.set_result(self.rate.sent())

    def _wait(self, seconds: float) -> None:
        if self.rate.resting > PATIENCE_SECONDS:
            self._send_away()
            return
        loop = asyncio.get_running_loop()
        if self._alarm is not None:
            if self._alarm.when() <= loop.time() + seconds:
                return
            self._alarm.cancel()
        self._alarm = loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._admit()

    def _send_away(self) -> None:
        """Nobody waits here for what takes too long."""
        while self._waiting:
            _, place = self._waiting.popleft()
            if not place.done():
                place.set_exception(self._reason())

    def _reason(self) -> LMError:
        left = self.rate.resting
        if left > 0:
            return LMRateLimitError(f"The provider asked for a rest; {left:.0f} s of it are left", retry_after=left)
        try:
            self.breaker.admit()
        except LMServerError as error:
            return error
        self.breaker.abandoned()
        return LMServerError("The endpoint failed", retry_after=1.0)
