"""What runs may spend, and what one call may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PICO = 10**12
"""The store's money: millionths of a millionth of a dollar in a dollar."""


@dataclass(frozen=True, slots=True)
class CostUpperBound:
    """The most that one call can cost. `usd` is None where the price is not known."""

    tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class Payer:
    """The run that pays for a call, and a function for the most that the call can cost. It is called only if the run
    has a budget.
    """

    run_id: str
    most: Callable[[], CostUpperBound]


@dataclass(frozen=True, slots=True)
class Spending:
    """A run's budget, and how much of it is used. A limit of None is no limit.

    Used are the costs of paid calls, and the upper bounds of calls that are in progress or whose process died.
    """

    usd: float | None
    tokens: int | None
    calls: int | None
    used_usd: float
    used_tokens: int
    used_calls: int

    def lacking(self, most: CostUpperBound) -> str | None:
        """Return the limit that a call of at most this cost would exceed: ``"calls"``, ``"tokens"``, ``"usd"``, or
        None.
        """
        if self.calls is not None and self.used_calls + 1 > self.calls:
            return "calls"
        if self.tokens is not None and self.used_tokens + most.tokens > self.tokens:
            return "tokens"
        if self.usd is not None and (most.usd is None or pico(self.used_usd) + pico(most.usd) > pico(self.usd)):
            return "usd"
        return None

    def __str__(self) -> str:
        pairs = (
            (self.usd, f"${self.used_usd:.4f} of ${self.usd:.4f}" if self.usd is not None else ""),
            (self.tokens, f"{self.used_tokens} of {self.tokens} tokens"),
            (self.calls, f"{self.used_calls} of {self.calls} calls"),
        )
        return ", ".join(text for limit, text in pairs if limit is not None)


@dataclass(frozen=True, slots=True)
class BudgetExhausted:
    """The run's budget cannot cover the call, and no other call in progress could leave enough."""

    run_id: str
    spending: Spending
    most: CostUpperBound


def pico(usd: float) -> int:
    """Convert dollars to the store's unit."""
    return round(usd * PICO)
