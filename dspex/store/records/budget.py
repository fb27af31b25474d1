"""What runs may spend, and what one call may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PICO = 10**12
"""The store's money: millionths of a millionth of a dollar in a dollar."""


@dataclass(frozen=True, slots=True)
class CostUpperBound:
    """The most that one call can come to. `usd` is None where the model has no known price."""

    tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class Payer:
    """The run that pays for a call, and how to find out the most that the call can come to (asked only if the run has
    a budget)."""

    run_id: str
    most: Callable[[], CostUpperBound]


@dataclass(frozen=True, slots=True)
class Spending:
    """A run's budget and how much of it is used: by calls that are paid, that are under way (at the most that they can
    come to), and that were under way in a process that died. A limit of None is none."""

    usd: float | None
    tokens: int | None
    calls: int | None
    used_usd: float
    used_tokens: int
    used_calls: int

    def lacking(self, most: CostUpperBound) -> str | None:
        """What there is no room for; None if there is room for such a call."""
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
    """There is no room for the call in the run's budget, and no other call under way that could make some."""

    run_id: str
    spending: Spending
    most: CostUpperBound


def pico(usd: float) -> int:
    """Dollars as the store counts them."""
    return round(usd * PICO)
