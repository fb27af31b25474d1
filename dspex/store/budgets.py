"""What runs may spend at most, and the room that is left: shared by all processes that work on a run.

Just before a call is made, the most that it can come to is set aside (`Ledger.reserve`); in the transaction that
records its answer, what it really came to takes that place. So what is paid and what may still have to be paid are
within the budget together at every moment, whatever number of hosts call at once, and whichever of them is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex.store.database import Database

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


class Budgets:
    """Budgets by run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(
        self, run_id: str, *, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> Spending:
        """Give the run these limits; those that are None stay as they are. They hold from the next call on, and for
        all that the run has spent: also for what it had before it had a budget."""

        def write() -> Spending:
            from dspex.store.sql.budgets import put

            limits = {"usd": usd, "tokens": tokens, "calls": calls}
            given = {name: limit for name, limit in limits.items() if limit is not None}
            return self._database.transact(lambda connection: put(connection, run_id, given))

        return await self._database.run(write)

    async def get(self, run_id: str) -> Spending | None:
        """The run's budget, if it has one."""

        def read() -> Spending | None:
            from dspex.store.sql.budgets import get

            return self._database.query(lambda connection: get(connection, run_id))

        return await self._database.run(read)
