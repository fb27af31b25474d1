"""Batches of LM calls: requests that wait for one, batches that were submitted, and their owners.

A batch is written down before it is submitted (``intent``), with its requests, so that after a crash any process knows
what to look for at the provider. Its answers go into the ledger in the transaction that deletes the requests, so they
are collected once, however many processes poll.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.store.records.batch import Batch, BatchRequest, PendingRequest, PlannedBatch, Refused, RequestState, Status
from dspex.store.records.ledger import LedgerEntry

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dspex.store.database import Database

T = TypeVar("T")


class Batches:
    """The batches of LM calls in a store. Every method may be awaited on any event loop; all raise `StoreError`.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made = False

    async def ask(self, owner: str, requests: Sequence[BatchRequest]) -> dict[str, RequestState]:
        """Queue requests for the batches of `owner`. Those that are in a batch already are waited for there, whoever
        owns it.

        Args:
            owner: Whose batches: a process, or a durable run.
            requests: The requests.

        Returns:
            The state of each request, by key.
        """
        return await self._write(lambda sql, connection: sql.ask(connection, owner, requests))

    async def standing(self, keys: Sequence[str]) -> dict[str, RequestState]:
        """Return the states of those of `keys` that are not answered yet, by key."""
        return await self._read(lambda sql, connection: sql.standing(connection, keys))

    async def first_target(self, owner: str, attempts: int) -> str | None:
        """Return the target (`dspex.clients.batch.target`) of some waiting request; None if none waits.

        Args:
            owner: Whose requests.
            attempts: Only requests that have been in fewer batches than this.
        """
        return await self._read(lambda sql, connection: sql.first_target(connection, owner, attempts))

    async def waiting(self, owner: str, target: str, attempts: int, limit: int) -> list[PendingRequest]:
        """List requests that wait for a batch, by key.

        Args:
            owner: Whose requests.
            target: Where they are to be sent.
            attempts: Only requests that have been in fewer batches than this.
            limit: At most so many.
        """
        return await self._read(lambda sql, connection: sql.waiting(connection, owner, target, attempts, limit))

    async def plan(self, id: str, owner: str, target: str, keys: Sequence[str]) -> PlannedBatch:
        """Write down a batch before it is submitted, and reserve its cost in the budgets of the runs that pay.

        Args:
            id: The new batch's id.
            owner: Whose batch.
            target: Where it is to be sent.
            keys: The requests for it. Those that another batch has taken, or whose budget cannot cover them, are left
                out.

        Returns:
            How many requests are in it, and the first budget that could not cover one.
        """
        return await self._write(lambda sql, connection: sql.plan(connection, id, owner, target, keys, time.time()))

    async def bodies(self, id: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Return keys and bodies of requests in a batch, by key.

        Args:
            id: The batch.
            after: Begin after this key; ``""`` for the first.
            limit: At most so many.
        """
        return await self._read(lambda sql, connection: sql.bodies(connection, id, after, limit))

    async def get(self, id: str) -> Batch | None:
        """Return the batch `id`, or None."""
        return await self._read(lambda sql, connection: sql.get(connection, id))

    async def in_progress(self, owner: str) -> list[Batch]:
        """List the unfinished batches that `owner` waits for, its own and others', the oldest first."""
        return await self._read(lambda sql, connection: sql.in_progress(connection, owner))

    async def of(self, owner: str) -> list[Batch]:
        """List all batches that `owner` has made, the oldest first."""
        return await self._read(lambda sql, connection: sql.of(connection, owner))

    async def known(self, provider_ids: Sequence[str]) -> set[str]:
        """Return those of the provider's ids that belong to a batch in this store."""
        return await self._read(lambda sql, connection: sql.known(connection, provider_ids))

    async def uploaded(self, id: str, input_id: str) -> None:
        """Note that the provider has the batch's requests; the batch is not created yet.

        Args:
            id: The batch.
            input_id: The provider's id of the file with the requests.
        """
        await self._write(lambda sql, connection: sql.update_batch(connection, id, input_id=input_id))

    async def sending(self, id: str, *, unless_since: float) -> bool:
        """Note that this process creates the batch at the provider now.

        Args:
            id: The batch.
            unless_since: Unix time. An attempt that began later may still succeed.

        Returns:
            False if there was such an attempt: then this process must not create it.
        """
        return await self._write(lambda sql, connection: sql.sending(connection, id, unless_since, time.time()))

    async def not_sent(self, id: str) -> None:
        """Note that the provider refused to create the batch."""
        await self._write(lambda sql, connection: sql.update_batch(connection, id, sent_at=None))

    async def opened(self, id: str, provider_id: str) -> bool:
        """Note that the provider has created the batch.

        Args:
            id: The batch.
            provider_id: The provider's id for it.

        Returns:
            False if the provider had created it before under another id.
        """
        return await self._write(lambda sql, connection: sql.opened(connection, id, provider_id, time.time()))

    async def looked(self, id: str, done: int) -> None:
        """Note the provider's progress.

        Args:
            id: The batch.
            done: Requests that the provider has processed.
        """
        await self._write(lambda sql, connection: sql.update_batch(connection, id, done=done, looked_at=time.time()))

    async def settle(self, id: str, entries: Sequence[LedgerEntry], refused: Sequence[Refused]) -> int:
        """Move answered requests into the ledger, and mark the refused ones, in one transaction.

        Args:
            id: The batch.
            entries: The answers, without payer and predictor: those of the request are filled in.
            refused: The requests that the provider does not accept.

        Returns:
            How many answers were new to the store.
        """
        return await self._write(lambda sql, connection: sql.settle(connection, id, entries, refused))

    async def end(self, id: str, status: Status, *, error: str | None = None, counts: bool = True) -> int:
        """Note that the batch is over. Its unanswered requests wait for another batch.

        Args:
            id: The batch.
            status: ``"done"`` or ``"void"``.
            error: Why it failed.
            counts: Whether this was an attempt at its unanswered requests.

        Returns:
            How many requests were unanswered.
        """
        return await self._write(lambda sql, connection: sql.end(connection, id, status, error, counts))

    async def leave(self, owner: str) -> None:
        """Delete the requests of `owner` that are not in a batch, and its waits for batches of others."""
        await self._write(lambda sql, connection: sql.leave(connection, owner))

    async def others_wait(self, id: str, owner: str) -> bool:
        """Whether an owner other than `owner` waits for the batch `id`."""
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
