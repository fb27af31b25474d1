"""Budgets of runs, shared by all processes that work on a run.

Just before a call is made, the most that it can cost is reserved (`Ledger.reserve`); in the transaction that records
its answer, its real cost replaces that. So what is paid and what may still have to be paid are within the budget
together at every moment, however many hosts call at once, and whichever of them is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.store.records.budget import Spending

if TYPE_CHECKING:
    from dspex.store.database import Database


class Budgets:
    """The budgets of runs, by the run's id.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(
        self, run_id: str, *, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> Spending:
        """Set limits of a run's budget; those that are None stay as they are.

        They apply from the next call on, to all that the run has spent, also before it had a budget.

        Args:
            run_id: The run.
            usd: US dollars.
            tokens: Tokens, sent and received.
            calls: LM calls.

        Returns:
            The limits, and how much of them is used.
        """

        def write() -> Spending:
            from dspex.store.sql.budgets import put

            limits = {"usd": usd, "tokens": tokens, "calls": calls}
            given = {name: limit for name, limit in limits.items() if limit is not None}
            return self._database.transact(lambda connection: put(connection, run_id, given))

        return await self._database.run(write)

    async def get(self, run_id: str) -> Spending | None:
        """Return the run's limits and how much of them is used; None if it has no budget."""

        def read() -> Spending | None:
            from dspex.store.sql.budgets import get

            return self._database.query(lambda connection: get(connection, run_id))

        return await self._database.run(read)
