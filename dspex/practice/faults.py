"""Faults on demand. Which attempt meets which fault follows from the seed, the request and how often it was tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from dspex.practice.options import PracticeOptions


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to happen to one attempt: `status` 200 lets it through."""

    delay: float
    status: int
    malformed: bool
    cut: bool


class Faults:
    """Draws fates. They do not depend on the order in which requests arrive, so a concurrent run repeats as well."""

    def __init__(self, options: PracticeOptions) -> None:
        self._options = options
        self._key = str(options.seed).encode()[:64]

    def fate(self, digest: bytes, attempt: int) -> Fate:
        """The fate of attempt number `attempt` (from 0) of a request."""
        options = self._options
        if not (options.jitter or options.error_rate or options.malformed_rate or options.cut_rate):
            return Fate(options.latency, 200, False, False)
        late, refused, cut = self._draws(digest, attempt)
        malformed = self._draws(digest, -1)[0] < options.malformed_rate
        status = self._status(refused / options.error_rate) if refused < options.error_rate else 200
        return Fate(options.latency + options.jitter * late, status, malformed, cut < options.cut_rate)

    def _draws(self, digest: bytes, attempt: int) -> tuple[float, float, float]:
        """Three numbers from 0 to 1."""
        raw = blake2b(digest + attempt.to_bytes(8, "big", signed=True), digest_size=24, key=self._key).digest()
        late, refused, cut = (int.from_bytes(raw[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
        return late, refused, cut

    @staticmethod
    def _status(share: float) -> int:
        return 429 if share < 0.5 else 500 if share < 0.75 else 503


class RateLimit:
    """A token bucket of `rpm` requests a minute that holds one second's worth. `clock` gives seconds."""

    def __init__(self, rpm: int, clock: Callable[[], float]) -> None:
        self.rpm = rpm
        self._clock = clock
        self._rate = rpm / 60
        self._capacity = max(1.0, self._rate)
        self._tokens = self._capacity
        self._filled = clock()

    def admit(self) -> float:
        """Take a token. Returns 0, or the seconds until there is one."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    def headers(self) -> dict[str, str]:
        """The state of the bucket, in OpenAI's headers."""
        until_full = (self._capacity - self._tokens) / self._rate
        return {
            "x-ratelimit-limit-requests": str(self.rpm),
            "x-ratelimit-remaining-requests": str(int(self._tokens)),
            "x-ratelimit-reset-requests": f"{until_full:.3f}s",
        }
