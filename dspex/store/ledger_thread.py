"""How the ledger's thread processes a batch of requests, and the claims that this process holds."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from dspex.errors import StoreError, StoreFullError
from dspex.store.batching import QueuedRequest
from dspex.store.records.claim import VOID_AFTER_S, Claim
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won

if TYPE_CHECKING:
    from dspex.store.database import Database
    from dspex.store.recent_entries import RecentEntries
    from dspex.store.sql.ledger import LedgerSql

HEARTBEAT_EVERY_S = 1.0

_Work = Callable[[list[QueuedRequest]], None]

_log = logging.getLogger(__name__)
_WARN_EVERY_S = 60.0


class LedgerWork:
    """Processes the ledger's requests in batches, and keeps the claims of one owner: this process and this store.

    Args:
        database: The store's database.
        recent: The cache that each entry seen is put into.
    """

    def __init__(self, database: Database, recent: RecentEntries) -> None:
        self._database = database
        self._recent = recent
        self._held: set[str] = set()
        self._heartbeat_at: float | None = None
        self._warned_at: float | None = None
        self._sql: LedgerSql | None = None
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"

    def process(self, batch: Sequence[QueuedRequest]) -> None:
        """See `Work.process`. One transaction for each kind of request, and a heartbeat when it is due."""
        # In this order a batch needs few statements. Its requests are concurrent, so any order is right.
        self._in_one_transaction(self._record, [r for r in batch if r.kind == "record"])
        self._in_one_transaction(self._release, [r for r in batch if r.kind == "release"])
        self._in_one_transaction(self._read, [r for r in batch if r.kind in ("lookup", "claim")])
        self._in_one_transaction(self._reserve, [r for r in batch if r.kind == "reserve"])
        self._in_one_transaction(
            self._claim, [r for r in batch if r.kind == "claim" and r.answer is None and not r.error]
        )
        if self._held and self._heartbeat_is_due():
            self._heartbeat()

    def due_in(self) -> float | None:
        """Seconds until the next heartbeat; None while no claim is held."""
        if not self._held or self._heartbeat_at is None:
            return None
        return max(0.0, self._heartbeat_at + HEARTBEAT_EVERY_S - time.monotonic())

    def compensate(self, requests: Sequence[QueuedRequest]) -> list[QueuedRequest]:
        """Return releases of the claims among `requests` that were won: their waiters are gone."""
        won = [r.payload.key for r in requests if r.kind == "claim" and isinstance(r.answer, Won)]
        return [QueuedRequest("release", key, None, None) for key in won]

    def finish(self) -> None:
        """Release all claims, so that no other process has to wait until they lapse."""
        if self._heartbeat_at is None:
            return
        try:
            self._database.transact(lambda connection: self.sql.leave(connection, self.owner))
        except StoreError as error:
            _log.warning("Claims of this process lapse in %.0f s: they could not be released: %s", VOID_AFTER_S, error)
        self._held.clear()

    @property
    def sql(self) -> LedgerSql:
        if self._sql is None:
            from dspex.store.sql.ledger import LedgerSql

            self._sql = LedgerSql(self._database.dialect, VOID_AFTER_S)
        return self._sql

    def _in_one_transaction(self, work: _Work, requests: list[QueuedRequest]) -> None:
        """Process all requests in one transaction; if the data of one make it fail, process each in its own."""
        if not requests:
            return
        try:
            work(requests)
        except StoreError as error:
            if len(requests) == 1 or isinstance(error, StoreFullError) or not _caused_by_one(error):
                _fail(requests, error)
                return
            for request in requests:
                self._in_one_transaction(work, [request])

    def _record(self, requests: list[QueuedRequest]) -> None:
        entries: dict[str, LedgerEntry] = {}
        again = [r for r in requests if entries.setdefault(r.payload.key, r.payload) is not r.payload]
        standing = self._database.transact(
            lambda connection: self.sql.record(connection, list(entries.values()), self.owner)
        )
        for request in requests:
            entry = standing.get(request.payload.key, entries[request.payload.key])
            request.answer = entry
            self._held.discard(entry.key)
            self._recent.add(entry)
        if again:  # another answer to a call of this very batch: it only counts on the bill
            self._record(again)

    def _release(self, requests: list[QueuedRequest]) -> None:
        keys = sorted({r.payload for r in requests})
        self._database.transact(lambda connection: self.sql.release(connection, self.owner, keys))
        self._held.difference_update(keys)

    def _read(self, requests: list[QueuedRequest]) -> None:
        keys = list({_key(r) for r in requests})
        found = self._database.query(lambda connection: self.sql.entries(connection, keys))
        for entry in found.values():
            self._recent.add(entry)
        for request in requests:
            hit = found.get(_key(request))
            request.answer = Hit(hit) if hit is not None and request.kind == "claim" else hit

    def _claim(self, requests: list[QueuedRequest]) -> None:
        won, found, limited = self._won_and_found([r.payload for r in requests])
        for entry in found.values():
            self._recent.add(entry)
        for request in requests:
            key = request.payload.key
            if key in found:
                request.answer = Hit(found[key])
            elif key in won:
                won.discard(key)  # of two waiters in this process, one has won
                self._held.add(key)
                request.answer = Won(limited=request.payload.run_id in limited)
            else:
                request.answer = Held()

    def _won_and_found(self, claims: list[Claim]) -> tuple[set[str], dict[str, LedgerEntry], Collection[str]]:
        heartbeat = self._heartbeat_is_due()
        asked_at = time.monotonic()
        keys = sorted({claim.key for claim in claims})
        runs = {claim.run_id for claim in claims if claim.run_id is not None}
        outcome = self._database.transact(
            lambda connection: self.sql.claim(connection, self.owner, keys, self._held, heartbeat, runs)
        )
        if heartbeat:
            self._heartbeat_at = asked_at
        return outcome

    def _reserve(self, requests: list[QueuedRequest]) -> None:
        payers = {request.payload.key: request.payload.payer for request in requests}
        refused = self._database.transact(lambda connection: self.sql.budgets.reserve(connection, self.owner, payers))
        for request in requests:
            request.answer = refused.get(request.payload.key)

    def _heartbeat_is_due(self) -> bool:
        return self._heartbeat_at is None or time.monotonic() - self._heartbeat_at >= HEARTBEAT_EVERY_S

    def _heartbeat(self) -> None:
        asked_at = time.monotonic()
        try:
            self._database.transact(lambda connection: self.sql.heartbeat(connection, self.owner))
        except StoreError as error:
            # Not worth a failed call: the claims lapse if this goes on, and another process may make the calls too.
            self._warn(error)
        self._heartbeat_at = asked_at

    def _warn(self, error: StoreError) -> None:
        """Once a minute: a heartbeat is due every second."""
        if self._warned_at is None or time.monotonic() - self._warned_at > _WARN_EVERY_S:
            self._warned_at = time.monotonic()
            _log.warning("The store does not take the heartbeat that keeps this process's claims: %s", error)


def _key(request: QueuedRequest) -> str:
    key: str = request.payload.key if request.kind == "claim" else request.payload
    return key


def _caused_by_one(error: StoreError) -> bool:
    return getattr(error, "about_the_data", False)


def _fail(requests: Sequence[QueuedRequest], error: StoreError) -> None:
    for request in requests:
        request.error = error
