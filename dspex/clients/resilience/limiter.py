"""The limiter of one endpoint: so many calls at once, no faster than it accepts, and none while it is down.

`AdaptiveRateLimiter` finds out how fast the endpoint accepts calls, `CircuitBreaker` whether it is down. Callers wait
in order of arrival. A caller that comes again after a refusal goes before all others: the first calls after a rest are
the ones most likely to be accepted, and it has fewer tries left.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from dspex.clients.resilience.adaptive_rate import AdaptiveRateLimiter
from dspex.clients.resilience.circuit_breaker import CircuitBreaker
from dspex.errors import LMError, LMRateLimitError, LMServerError

LONGEST_WAIT_SECONDS = 60.0
"""The limiter does not wait longer than this: the call fails, and its caller decides (by a durable timer, say)."""


class EndpointLimiter:
    """Admits the calls to one endpoint with one key, from one event loop.

    Args:
        name: The endpoint, for messages.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, name: str = "The endpoint", now: Callable[[], float] = time.monotonic) -> None:
        self.rate = AdaptiveRateLimiter(now)
        self.breaker = CircuitBreaker(name, now)
        self.tokens_a_call = 0.0
        """The average of the last ten or so."""
        self._active = 0
        self._waiting: deque[tuple[int, asyncio.Future[int]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, limit: int, again: bool = False, per_second: float | None = None) -> int:
        """Wait until the call may go. When it has ended, say how (`answered`, `refused`, ...), and then `leave`.

        Args:
            limit: Calls in progress at once, at most.
            again: Whether this is a further try of a call, which goes before all others.
            per_second: Calls a second, at most; None if the user knows no limit.

        Returns:
            The call's number, for `refused`.

        Raises:
            LMRateLimitError: the endpoint asked for a rest longer than `LONGEST_WAIT_SECONDS`.
            LMServerError: the endpoint is down, and no call goes to it for now.
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
        """Compute how many calls a second the user's limits allow.

        Args:
            rpm: Requests a minute. None: no limit.
            tpm: Tokens a minute. None: no limit.
            tokens: Tokens that the first call is expected to use; later ones are expected to use the average so far.

        Returns:
            Calls a second, by the tighter limit. None without limits.
        """
        by_tokens = None if tpm is None else tpm / 60 / max(self.tokens_a_call or tokens, 1.0)
        limits = [each for each in (None if rpm is None else rpm / 60, by_tokens) if each is not None]
        return min(limits) if limits else None

    @property
    def active(self) -> int:
        """Calls in progress."""
        return self._active

    @property
    def waiting(self) -> int:
        """Calls that wait to be admitted."""
        return len(self._waiting)

    def leave(self) -> None:
        """End an admitted call, and admit those that its end makes place for."""
        self._active -= 1
        self._admit()

    def answered(self) -> None:
        """Note that the endpoint answered a call, whatever it said."""
        self.breaker.succeeded()
        self.rate.answered()

    def used(self, tokens: int) -> None:
        """Note how many tokens a call used."""
        self.tokens_a_call += (tokens - self.tokens_a_call) * (0.1 if self.tokens_a_call else 1.0)

    def refused(self, number: int, seconds: float) -> bool:
        """Note that the endpoint refused a call for its rate limit.

        Args:
            number: The call's number, from `enter`.
            seconds: Seconds of rest that the endpoint asked for; 0 if it named none.

        Returns:
            Whether all calls to the endpoint rest now for as long.
        """
        self.breaker.succeeded()
        self.rate.refused(number, seconds)
        if seconds > LONGEST_WAIT_SECONDS or self._active == 1:
            self.rate.rest(seconds)
        self._admit()
        return seconds > 0 and self.rate.resting >= seconds - 0.05

    def failed(self) -> None:
        """Note that the endpoint did not answer, or with an error of its own. If it is down, waiting calls fail."""
        self.breaker.failed()
        if self.breaker.state == "open":
            self._fail_waiting()

    def abandoned(self) -> None:
        """Note that an admitted call was not made, or not to its end."""
        self.breaker.abandoned()

    def _admit(self) -> None:
        """Admit waiting calls, in order of arrival, as many as the limit and the rate allow."""
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
        if self.rate.resting > LONGEST_WAIT_SECONDS:
            self._fail_waiting()
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

    def _fail_waiting(self) -> None:
        """Fail the waiting calls: the wait would be too long."""
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
