"""Batches of LM calls: what waits to be submitted, what was submitted, and who waits for it.

A batch is written down before it is submitted (``intent``), with the very requests that are in it, so that whoever
comes after a crash knows what to look for at the provider. Its answers go into the ledger in the same transaction that
takes the requests from here: they are collected once, by however many processes look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.store.records.batch import Batch, BatchRequest, Intended, Refused, RequestState, Status, Waiting
from dspex.store.records.ledger import LedgerEntry

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dspex.store.database import Database

T = TypeVar("T")


class Batches:
    """The batches of a store. Every method may be awaited on any event loop; all raise `StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made = False

    async def ask(self, owner: str, wanted: Sequence[BatchRequest]) -> dict[str, RequestState]:
        """Have `wanted` done for `owner`. Those that are in a batch already are waited for there, whosever it is."""
        return await self._write(lambda sql, connection: sql.ask(connection, owner, wanted))

    async def standing(self, keys: Sequence[str]) -> dict[str, RequestState]:
        """Where those of `keys` stand that are here still: the others have been answered."""
        return await self._read(lambda sql, connection: sql.standing(connection, keys))

    async def first_target(self, owner: str, attempts: int) -> str | None:
        """Where some of the owner's waiting requests, that have had fewer than `attempts`, are to go."""
        return await self._read(lambda sql, connection: sql.first_target(connection, owner, attempts))

    async def waiting(self, owner: str, target: str, attempts: int, limit: int) -> list[Waiting]:
        """Up to `limit` of the owner's requests that wait to go to `target` and have had fewer than `attempts`."""
        return await self._read(lambda sql, connection: sql.waiting(connection, owner, target, attempts, limit))

    async def intend(self, id: str, owner: str, target: str, keys: Sequence[str]) -> Intended:
        """Write down the batch `id` of those of `keys` that still wait for one, and that their payers' budgets have
        room for: it is set aside until they are answered."""
        return await self._write(lambda sql, connection: sql.intend(connection, id, owner, target, keys, time.time()))

    async def bodies(self, id: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Keys and bodies of the requests in a batch, by key, from the first one after `after`."""
        return await self._read(lambda sql, connection: sql.bodies(connection, id, after, limit))

    async def get(self, id: str) -> Batch | None:
        return await self._read(lambda sql, connection: sql.get(connection, id))

    async def under_way(self, owner: str) -> list[Batch]:
        """The batches that `owner` waits for: its own and others', the eldest first."""
        return await self._read(lambda sql, connection: sql.under_way(connection, owner))

    async def of(self, owner: str) -> list[Batch]:
        """All batches that `owner` has made, the eldest first."""
        return await self._read(lambda sql, connection: sql.of(connection, owner))

    async def known(self, provider_ids: Sequence[str]) -> set[str]:
        """Those of `provider_ids` that a batch here goes by already."""
        return await self._read(lambda sql, connection: sql.known(connection, provider_ids))

    async def uploaded(self, id: str, input_id: str) -> None:
        """The requests are with the provider, as `input_id`; the batch is not created yet."""
        await self._write(lambda sql, connection: sql.update_batch(connection, id, input_id=input_id))

    async def sending(self, id: str, *, unless_since: float) -> bool:
        """Note that the batch is being created now; False if somebody does, or did, since `unless_since`."""
        return await self._write(lambda sql, connection: sql.sending(connection, id, unless_since, time.time()))

    async def not_sent(self, id: str) -> None:
        """The provider said no: nothing was created."""
        await self._write(lambda sql, connection: sql.update_batch(connection, id, sent_at=None))

    async def opened(self, id: str, provider_id: str) -> bool:
        """The provider has it, as `provider_id`. False if it has got it as another already."""
        return await self._write(lambda sql, connection: sql.opened(connection, id, provider_id, time.time()))

    async def looked(self, id: str, done: int) -> None:
        """Note how far the provider is."""
        await self._write(lambda sql, connection: sql.update_batch(connection, id, done=done, looked_at=time.time()))

    async def settle(self, id: str, entries: Sequence[LedgerEntry], refused: Sequence[Refused]) -> int:
        """Take answered requests into the ledger and mark the refused. Returns how many answers were new here.

        `entries` come without payer and predictor: each is billed to who asked.
        """
        return await self._write(lambda sql, connection: sql.settle(connection, id, entries, refused))

    async def end(self, id: str, status: Status, *, error: str | None = None, counts: bool = True) -> int:
        """The batch is over. What it left unanswered waits for another; `counts` says whether that was an attempt.

        Returns how many those are.
        """
        return await self._write(lambda sql, connection: sql.end(connection, id, status, error, counts))

    async def leave(self, owner: str) -> None:
        """`owner` waits for nothing any more: forget what it had not submitted, and what it was refused."""
        await self._write(lambda sql, connection: sql.leave(connection, owner))

    async def others_wait(self, id: str, owner: str) -> bool:
        """Whether another owner waits for the batch too."""
        return await self._read(lambda sql, connection: sql.others_wait(connection, id, owner))

    async def _write(self, work: Callable[[Any, Connection], T]) -> T:
        return await self._database.run(lambda: self._do(work, self._database.transact))

    async def _read(self, work: Callable[[Any, Connection], T]) -> T:
        return await self._database.run(lambda: self._do(work, self._database.query))

    def _do(self, work: Callable[[Any, Connection], T], how: Callable[[Callable[[Connection], T]], T]) -> T:
        from dspex.store.sql import batches as sql
        from dspex.store.sql.batch_tables import make_tables

        if not self._made:
            self._database.transact(make_tables)
            self._made = True
        return how(lambda connection: work(sql, connection))
