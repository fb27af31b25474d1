"""Bringing the tables of an older dspex up to date, in place and in one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, text, update
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from dspex.store.sql.schema import VERSION, budgets, ledger, pruned, repeats, reservations, versions

OLDEST = 1
"""The first version that can be brought up to date."""

_NEW_IN_2 = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "predictor", "outcome")


def upgrade(connection: Connection, found: int) -> None:
    """Take the tables from version `found` to `VERSION`. The caller holds the lock on them."""
    if found < 2:
        _to_2(connection)
    connection.execute(update(versions).values(version=VERSION))


def _to_2(connection: Connection) -> None:
    """Tokens told apart, the predictor that called, budgets."""
    for table, names in ((ledger, _NEW_IN_2), (repeats, ("model", *_NEW_IN_2))):
        for name in names:
            column = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column}"))
    connection.execute(
        text(
            f"UPDATE {repeats.name} SET model = (SELECT l.model FROM {ledger.name} l WHERE l.key = {repeats.name}.key)"
        )
    )
    connection.execute(text("DROP INDEX dspex_ledger_bill"))
    for index in ledger.indexes:
        connection.execute(CreateIndex(index))
    for made in (pruned, budgets, reservations):
        connection.execute(CreateTable(made))
        for index in made.indexes:
            connection.execute(CreateIndex(index))
