"""Requests and tokens a minute, as token buckets that hold one second's worth."""

from __future__ import annotations

from collections.abc import Callable

from dspex_practice.api.dialect import Level, Levels
from dspex_practice.model.errors import Reason, RefusedError


class Bucket:
    """`limit` a minute, of which one second's worth can be saved up. `clock` gives seconds."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._rate = limit / 60
        self._capacity = max(1.0, self._rate)
        self._left = self._capacity
        self._filled = clock()

    def wait(self, wanted: float = 1.0) -> float:
        """Seconds until `wanted` can be taken, or as much as there can ever be."""
        now = self._clock()
        self._left = min(self._capacity, self._left + (now - self._filled) * self._rate)
        self._filled = now
        return max(0.0, min(wanted, self._capacity) - self._left) / self._rate

    def take(self, wanted: float = 1.0) -> None:
        """Take `wanted`, even if that leaves less than nothing: later requests wait for it."""
        self._left -= wanted

    def level(self) -> Level:
        """How full the bucket is."""
        return Level(self.limit, max(0, int(self._left)), (self._capacity - self._left) / self._rate)


class RateLimits:
    """What is let through a minute: `rpm` requests, `tpm` tokens; None for any number.

    The tokens of a prompt are taken when it is let through, those of its answer when it is given.
    """

    def __init__(self, rpm: int | None, tpm: int | None, clock: Callable[[], float]) -> None:
        self._requests = Bucket(rpm, clock) if rpm is not None else None
        self._tokens = Bucket(tpm, clock) if tpm is not None else None

    def admit(self, prompt_tokens: int) -> None:
        """Let a request through.

        Raises:
            RefusedError: if it has to wait; the error says how long.
        """
        if self._requests is not None and (wait := self._requests.wait()):
            raise RefusedError(Reason.REQUESTS, "Rate limit reached: requests per minute.", wait=wait)
        if self._tokens is not None and (wait := self._tokens.wait(prompt_tokens)):
            raise RefusedError(Reason.TOKENS, "Rate limit reached: tokens per minute.", wait=wait)
        if self._requests is not None:
            self._requests.take()
        self.charge(prompt_tokens)

    def charge(self, tokens: int) -> None:
        """Take the tokens of an answer, or of a prompt that was let through."""
        if self._tokens is not None:
            self._tokens.take(tokens)

    def levels(self) -> Levels:
        """How full the limits are."""
        return Levels(
            self._requests.level() if self._requests is not None else None,
            self._tokens.level() if self._tokens is not None else None,
        )
