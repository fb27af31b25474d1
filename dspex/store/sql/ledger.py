"""Claims and entries in SQL. Every method takes a whole batch and needs the same few statements whatever its size.

Two processes may do any of this at once. On SQLite one waits for the other's transaction; on PostgreSQL the order of
the statements makes it safe, as noted where it matters. Keys come sorted, so that two batches never wait for each
other.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.records.ledger import LedgerEntry
from dspex.store.sql.budgets import BudgetSql
from dspex.store.sql.listed import Dialect, bind_list, listed, listed_value
from dspex.store.sql.schema import claims, ledger, owners, repeats

FORGOTTEN_AFTER_S = 24 * 3600.0
"""Owners that died this long ago are deleted, with their claims."""

_ENTRY = [ledger.c[name] for name in LedgerEntry.__slots__]

# The database's clock, because hosts' clocks differ. SQLite's is the host's own.
_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}


class LedgerSql:
    """The statements for one dialect, built once."""

    def __init__(self, dialect: Dialect, void_after_s: float) -> None:
        self._dialect: Dialect = dialect
        upsert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
        now: Any = literal_column(_NOW[dialect])
        silence = func.abs(now - owners.c.beat)  # absolute: a clock set back must not make a dead claim last for hours
        keys = listed(dialect, "keys")

        self.budgets = BudgetSql(dialect, silence <= void_after_s)
        self._entries = select(*_ENTRY).where(ledger.c.key.in_(keys))
        self._known = select(ledger.c.key).where(ledger.c.key.in_(keys))
        self._insert = upsert(ledger).on_conflict_do_nothing()
        self._drop = delete(claims).where(claims.c.key.in_(keys))
        self._release = self._drop.where(claims.c.owner == bindparam("me"))
        self._leave = (
            delete(claims).where(claims.c.owner == bindparam("me")),
            delete(owners).where(owners.c.id == bindparam("me")),
        )
        heartbeat = upsert(owners).values(id=bindparam("me"), beat=now)
        self._heartbeat = heartbeat.on_conflict_do_update(index_elements=["id"], set_={"beat": heartbeat.excluded.beat})
        self._claim = (
            upsert(claims)
            # Without a WHERE, SQLite cannot parse where the SELECT ends and ON CONFLICT begins.
            .from_select(["key", "owner"], select(listed_value(dialect, "keys"), bindparam("me")).where(true()))
            .on_conflict_do_nothing()
            .returning(claims.c.key)
        )
        self._holders = (
            select(claims.c.key, claims.c.owner, or_(owners.c.id.is_(None), silence > void_after_s))
            .select_from(claims.outerjoin(owners, owners.c.id == claims.c.owner))
            .where(claims.c.key.in_(keys))
            .order_by(claims.c.key)
        )
        self._take_over = (
            update(claims)
            .where(claims.c.key == bindparam("claimed"), claims.c.owner == bindparam("dead"))
            .values(owner=bindparam("me"))
        )
        forgotten = select(owners.c.id).where(silence > FORGOTTEN_AFTER_S)
        self._sweep = (
            delete(claims).where(claims.c.owner.in_(forgotten)),
            delete(owners).where(silence > FORGOTTEN_AFTER_S),
        )

    def entries(self, connection: Connection, keys: Sequence[str]) -> dict[str, LedgerEntry]:
        """The recorded calls among `keys`."""
        rows = connection.execute(self._entries, {"keys": bind_list(self._dialect, keys)})
        return {row[0]: LedgerEntry(*row) for row in rows}

    def claim(
        self,
        connection: Connection,
        me: str,
        keys: Sequence[str],
        held: Collection[str],
        heartbeat: bool,
        runs: Collection[str] = (),
    ) -> tuple[set[str], dict[str, LedgerEntry], Collection[str]]:
        """Claim `keys`, of which callers of this owner hold `held`.

        Returns those won, entries found, and which of `runs` have a budget.
        """
        if self._dialect == "postgresql":
            # A claim need not survive the database's own crash, so the transaction does not wait for its disk.
            connection.execute(text("SET LOCAL synchronous_commit = off"))
        if heartbeat:
            self.heartbeat(connection, me)
        rows = connection.execute(self._claim, {"keys": bind_list(self._dialect, keys), "me": me})
        won = {row[0] for row in rows}
        if len(won) < len(keys):
            won |= self._take_void(connection, me, [key for key in keys if key not in won], held)
        # Looked up again after the claim: a process that recorded meanwhile dropped the claim in the same transaction.
        found = self.entries(connection, sorted(won)) if won else {}
        if found:
            connection.execute(self._drop, {"keys": bind_list(self._dialect, sorted(found))})
        return won - found.keys(), found, self.budgets.limited(connection, runs) if runs and won else ()

    def _take_void(self, connection: Connection, me: str, keys: Sequence[str], held: Collection[str]) -> set[str]:
        taken: set[str] = set()
        holders = connection.execute(self._holders, {"keys": bind_list(self._dialect, keys)}).all()
        for key, owner, void in holders:
            if owner == me:
                # Ours, but held by no caller: the answer to the claim was lost with its connection.
                won = key not in held
            elif void:
                # Of several that find the same claim void, one still finds the dead owner in it when its turn comes.
                won = connection.execute(self._take_over, {"claimed": key, "dead": owner, "me": me}).rowcount == 1
            else:
                won = False
            if won:
                taken.add(key)
        return taken

    def record(self, connection: Connection, entries: Sequence[LedgerEntry], me: str = "") -> dict[str, LedgerEntry]:
        """Add `entries`, drop their claims, whoever holds them, and settle the reservations of `me` for them.

        Returns the recorded entries of the keys that were recorded before.
        """
        ordered = sorted(entries, key=lambda entry: entry.key)
        now = time.time()
        keys = bind_list(self._dialect, [entry.key for entry in ordered])
        known = set(connection.execute(self._known, {"keys": keys}).scalars())
        added = connection.execute(self._insert, [_row(entry, now) for entry in ordered]).rowcount
        connection.execute(self._drop, {"keys": keys})
        standing: dict[str, LedgerEntry] = {}
        repeated: list[LedgerEntry] = []
        if added < len(ordered):
            standing = self.entries(connection, [entry.key for entry in ordered])
            repeated = [each for each in ordered if standing[each.key] != each]  # equal: this very record, sent again
            if repeated:
                connection.execute(insert(repeats), [_repeat(entry, now) for entry in repeated])
        limited = self.budgets.limited(connection, {entry.run_id for entry in ordered if entry.run_id is not None})
        if limited:
            paid = [*(entry for entry in ordered if entry.key not in known and entry not in repeated), *repeated]
            self.budgets.settle(connection, me, paid, limited)
        return standing

    def release(self, connection: Connection, me: str, keys: Sequence[str]) -> None:
        """Release claims of `me`, and their reservations."""
        connection.execute(self._release, {"keys": bind_list(self._dialect, keys), "me": me})
        self.budgets.give_back(connection, me, keys)

    def heartbeat(self, connection: Connection, me: str) -> None:
        connection.execute(self._heartbeat, {"me": me})

    def leave(self, connection: Connection, me: str) -> None:
        """Release all claims of `me`, and delete owners that died long ago."""
        for statement in self._leave:
            connection.execute(statement, {"me": me})
        for statement in self._sweep:
            connection.execute(statement)


def _row(entry: LedgerEntry, now: float) -> dict[str, Any]:
    return {**{name: getattr(entry, name) for name in LedgerEntry.__slots__}, "created_at": now}


def _repeat(entry: LedgerEntry, now: float) -> dict[str, Any]:
    row = _row(entry, now)
    del row["response"]
    return row
