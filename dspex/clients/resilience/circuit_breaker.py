"""A circuit breaker: an endpoint that only fails is left alone for a while, and then tried with one call.

Closed, all calls go. After so many failures in a row that it can be no accident, it opens: calls fail at once, with the
time left as `retry_after`, so that a durable run waits by a timer and keeps no worker busy. When the time is up one
call is let through; if it fails too, the time doubles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from dspex.errors import LMServerError

FAILURES = 12
"""In a row, of a server that answers with errors, not at all, or too late."""

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 60.0

State = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """The circuit breaker of one endpoint.

    Args:
        name: The endpoint, for the message of the error.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._now = now
        self._failures = 0
        self._open_until: float | None = None
        self._seconds = FIRST_SECONDS
        self._probing = False

    @property
    def state(self) -> State:
        """Whether calls go through: "closed" all, "open" none, "half-open" one at a time."""
        if self._open_until is None:
            return "closed"
        return "open" if self._now() < self._open_until else "half-open"

    def admit(self) -> None:
        """Let a call through; in the half-open state one at a time.

        Raises:
            LMServerError: the breaker is open; `retry_after` says for how many seconds.
        """
        if self._open_until is None:
            return
        left = self._open_until - self._now()
        if left <= 0 and not self._probing:
            self._probing = True
            return
        raise LMServerError(
            f"{self.name} has failed {self._failures} times in a row and is left alone for a while",
            retry_after=max(left, 1.0),
        )

    def succeeded(self) -> None:
        """Note that a call was answered, even with a refusal: the endpoint works."""
        self._failures = 0
        if self._open_until is not None:
            self._open_until, self._seconds, self._probing = None, FIRST_SECONDS, False

    def failed(self) -> None:
        """Note that a call failed in a way that no working server makes it fail."""
        self._failures += 1
        if self._probing:
            self._seconds = min(self._seconds * 2, LONGEST_SECONDS)
        elif self._open_until is not None or self._failures < FAILURES:
            return  # it was sent before the breaker opened, or may be an accident
        self._open_until, self._probing = self._now() + self._seconds, False

    def abandoned(self) -> None:
        """Note that the call that was let through was cancelled before its answer, so that the next one may try."""
        self._probing = False
