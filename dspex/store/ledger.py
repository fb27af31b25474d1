"""The ledger: every finished LM call, kept under the hash of its request. It is a cache, a lock and the bill.

A caller claims a key. It gets the recorded answer (`Hit`), or the right to call (`Won`: it must `record` or `release`),
or learns that another process is making the call (`Held`: ask again a little later). A claim belongs to a process,
which writes a heartbeat every second while it holds claims; the claims of a process without one for three seconds are
void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.store.batching import RequestBatcher
from dspex.store.ledger_thread import LedgerWork
from dspex.store.recent_entries import RecentEntries
from dspex.store.records.bill import Bill
from dspex.store.records.budget import BudgetExhausted, Payer
from dspex.store.records.claim import Claim, ReservationRequest
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won

if TYPE_CHECKING:
    from dspex.store.database import Database

MEMORY_BYTES = 64 * 1024 * 1024


class Ledger:
    """Finished LM calls by key, the claims of running ones, and the bills of runs.

    Every method may be awaited on any event loop. All raise `StoreError`, and `StoreFullError` when the disk is full.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = RecentEntries(MEMORY_BYTES)
        self._work = LedgerWork(database, self._recent)
        self._batcher = RequestBatcher("dspex-ledger", self._work)

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won | Held:
        """Look a call up and, if it is not recorded, claim the right to make it.

        If the caller is cancelled, a claim that it won is released.

        Args:
            key: The hash of the request.
            run_id: The run that pays for the call; None for calls outside a run.

        Returns:
            `Hit` with the recorded call; `Won` if the caller must make the call and then `record` or `release` it;
            `Held` if another caller is making it: ask again a little later.
        """
        entry = self._recent.get(key)
        if entry is not None:
            return Hit(entry)
        answer: Hit | Won | Held = await self._batcher.ask("claim", Claim(key, run_id))
        return answer

    async def reserve(self, key: str, payer: Payer) -> Held | BudgetExhausted | None:
        """Reserve the most that a call can cost in the budget of the run that pays, just before the call is made.

        `record` and `release` end the reservation.

        Args:
            key: A key that this process has claimed.
            payer: The run that pays, and the upper bound of the cost.

        Returns:
            None if the call may be made; `Held` if other calls must finish first: ask again a little later;
            `BudgetExhausted` if the budget cannot cover the call.
        """
        refusal: Held | BudgetExhausted | None = await self._batcher.ask("reserve", ReservationRequest(key, payer))
        return refusal

    async def lookup(self, key: str) -> LedgerEntry | None:
        """Return the recorded call with this key, or None. Claims nothing."""
        entry: LedgerEntry | None = self._recent.get(key) or await self._batcher.ask("lookup", key)
        return entry

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Record a finished call and release its claim, in one transaction.

        Args:
            entry: The call.

        Returns:
            The recorded call with this key. It is another process's if that recorded it first, because this process
            sent no heartbeat and lost its claim. Use this one, so that a retry sees the same answer.
        """
        standing: LedgerEntry = await self._batcher.ask("record", entry)
        return standing

    async def release(self, key: str) -> None:
        """Release the claim of the call `key`, which failed."""
        await self._batcher.ask("release", key)

    async def bill(self, run_id: str) -> Bill:
        """Return the bill of the calls that the run `run_id` paid for."""
        return await self._bill(run_id)

    async def bill_total(self) -> Bill:
        """Return the bill of all calls in this store."""
        return await self._bill(None)

    async def _bill(self, run_id: str | None) -> Bill:
        def read() -> Bill:
            from dspex.store.sql.bill import bill

            return self._database.query(lambda connection: bill(connection, run_id))

        return await self._database.run(read)

    def close(self) -> None:
        """Release the claims held and end the thread."""
        self._batcher.close()

    def after_fork(self) -> None:
        """Start anew in a forked child, as another owner without claims, and without a thread yet."""
        self._recent.forget_lock()
        self._work = LedgerWork(self._database, self._recent)
        self._batcher = RequestBatcher("dspex-ledger", self._work)
