"""What runs may spend at most, and the room that is left: shared by all processes that work on a run.

Just before a call is made, the most that it can come to is set aside (`Ledger.reserve`); in the transaction that
records its answer, what it really came to takes that place. So what is paid and what may still have to be paid are
within the budget together at every moment, whatever number of hosts call at once, and whichever of them is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.store.records.budget import Spending

if TYPE_CHECKING:
    from dspex.store.database import Database


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
