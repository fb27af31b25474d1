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
    """The ledger's face: every method may be awaited on any event loop. All raise `StoreError` (`StoreFullError`)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = RecentEntries(MEMORY_BYTES)
        self._work = LedgerWork(database, self._recent)
        self._batcher = RequestBatcher("dspex-ledger", self._work)

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won | Held:
        """The answer to the call `key`, or who is to make it, for the run `run_id` to pay. A claim won by a waiter that
        is cancelled is released."""
        entry = self._recent.get(key)
        if entry is not None:
            return Hit(entry)
        answer: Hit | Won | Held = await self._batcher.ask("claim", Claim(key, run_id))
        return answer

    async def reserve(self, key: str, payer: Payer) -> Held | BudgetExhausted | None:
        """Set the most that the call can come to aside in the budget of the run that pays, until it is recorded or
        released: to be done just before it is made. While there is no room, the answer is `Held`; if there will not be
        any, `BudgetExhausted`. None: it may be made."""
        refusal: Held | BudgetExhausted | None = await self._batcher.ask("reserve", ReservationRequest(key, payer))
        return refusal

    async def lookup(self, key: str) -> LedgerEntry | None:
        """The recorded call, without claiming anything."""
        entry: LedgerEntry | None = self._recent.get(key) or await self._batcher.ask("lookup", key)
        return entry

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Keep a finished call for good and give up its claim, in one transaction.

        The first record of a key stands. Returns the one that stands: another's, if this process had been taken for
        dead and its claim went to somebody who was faster. Use that one, so that a retry sees the same answer.
        """
        standing: LedgerEntry = await self._batcher.ask("record", entry)
        return standing

    async def release(self, key: str) -> None:
        """Give a claim up, because the call failed."""
        await self._batcher.ask("release", key)

    async def bill(self, run_id: str) -> Bill:
        """What the calls that `run_id` paid for came to."""
        return await self._bill(run_id)

    async def bill_total(self) -> Bill:
        """What all calls in this store came to."""
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
        """In a forked child: it is another owner, without claims and without a thread yet."""
        self._recent.forget_lock()
        self._work = LedgerWork(self._database, self._recent)
        self._batcher = RequestBatcher("dspex-ledger", self._work)
