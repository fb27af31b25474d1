"""Faults on demand. Which attempt meets which fault follows from the seed, the request and how often it was tried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b

from dspex_practice.api.options import PracticeOptions
from dspex_practice.model.errors import Reason, RefusedError


class FaultKind(Enum):
    """What is done to an answer on its way. The values are the names in `Stats.errors`."""

    CUT = "cut"
    """The connection is dropped in the middle of the body."""
    EMPTY = "empty"
    """A success without a body."""
    TRUNCATED = "truncated"
    """The first half of the body, as if it were all of it."""
    WRONG_TYPE = "wrong type"
    """A page of HTML, with status 200."""
    DRIP = "drip"
    """The whole body, a byte at a time."""
    ENDLESS = "endless"
    """A body that goes on until the caller leaves."""


@dataclass(frozen=True, slots=True)
class FaultDecision:
    """What is to happen to one attempt: without a `refusal` it is answered."""

    delay: float = 0.0
    refusal: Reason | None = None
    malformed: bool = False
    fault: FaultKind | None = None


class Faults:
    """Decides what happens to each attempt.

    The decisions do not depend on the order in which requests arrive, so a concurrent run repeats as well.
    """

    def __init__(self, options: PracticeOptions) -> None:
        self._options = options
        self._key = str(options.seed).encode()[:64]
        self._fault_rates = [
            (FaultKind.EMPTY, options.empty_rate),
            (FaultKind.TRUNCATED, options.truncated_rate),
            (FaultKind.WRONG_TYPE, options.wrong_type_rate),
            (FaultKind.DRIP, options.drip_rate),
            (FaultKind.ENDLESS, options.endless_rate),
        ]
        drawn = options.jitter, options.error_rate, options.malformed_rate, options.cut_rate
        self._any_random = any(drawn) or any(rate for _, rate in self._fault_rates)

    def decide(self, digest: bytes, attempt: int) -> FaultDecision:
        """What happens to attempt number `attempt` (from 0) of a request."""
        options = self._options
        if not self._any_random:
            return FaultDecision(options.latency)
        late, refused, cut = self._draws(digest, attempt)
        return FaultDecision(
            delay=options.latency + options.jitter * late,
            refusal=_reason(refused / options.error_rate) if refused < options.error_rate else None,
            malformed=self._draws(digest, -1)[0] < options.malformed_rate,
            fault=FaultKind.CUT if cut < options.cut_rate else self._fault(digest, attempt),
        )

    def _fault(self, digest: bytes, attempt: int) -> FaultKind | None:
        drawn = self._draws(digest + b"harm", attempt)[0]  # this word decides the draws: another would change them all
        for fault, rate in self._fault_rates:
            if drawn < rate:
                return fault
            drawn -= rate
        return None

    def _draws(self, digest: bytes, attempt: int) -> tuple[float, float, float]:
        """Three numbers from 0 to 1."""
        raw = blake2b(digest + attempt.to_bytes(8, "big", signed=True), digest_size=24, key=self._key).digest()
        late, refused, cut = (int.from_bytes(raw[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
        return late, refused, cut


def injected(reason: Reason, retry_after: float) -> RefusedError:
    """The error of an attempt that was decided to be refused for `reason`. `retry_after` is in seconds."""
    if reason is Reason.REQUESTS:
        return RefusedError(reason, "Rate limit reached (injected by the practice model).", wait=retry_after)
    said = "had an error" if reason is Reason.SERVER else "is overloaded"
    return RefusedError(reason, f"The server {said} (injected by the practice model).")


def _reason(share: float) -> Reason:
    return Reason.REQUESTS if share < 0.5 else Reason.SERVER if share < 0.75 else Reason.OVERLOADED
