"""The tables of batches. They are made when the first batch is, also in a store that is older than they are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Double, Index, Integer, LargeBinary, String, Table, Text, text

from dspex.store.sql.schema import metadata

batches = Table(
    "dspex_batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("input_id", Text),
    Column("provider_id", Text),
    Column("sent_at", Double),
    Column("opened_at", Double),
    Column("looked_at", Double),
    Column("error", Text),
    Column("created_at", Double, nullable=False),
)
"""What was, or is to be, submitted. `owner` is the start of a run (or the process) whose requests they are; `sent_at`
is when its creation was last asked of the provider, `provider_id` the provider's answer."""

requests = Table(
    "dspex_batch_requests",
    metadata,
    Column("key", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("target", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("payer", String),
    Column("predictor", Text),
    Column("status", String, nullable=False),
    Column("batch", String, index=True),
    Column("attempts", Integer, nullable=False),
    Column("most_tokens", BigInteger, nullable=False),
    Column("most_usd", Double),
    Column("error_status", Integer),
    Column("error", LargeBinary),
)
"""Calls that wait for a batch, or are in one, under the ledger's key. One that is answered goes from here into the
ledger; one that the provider refused stays until its owner's end."""

Index("dspex_batch_requests_owner", requests.c.owner, requests.c.status)

waits = Table(
    "dspex_batch_waits",
    metadata,
    Column("owner", String, primary_key=True),
    Column("batch", String, primary_key=True),
)
"""Owners that wait for a batch of another owner."""

_TABLES = [batches, requests, waits]
_LOCK = 0x647370657802
"""PostgreSQL's advisory lock under which one process makes the tables."""


def make_tables(connection: Connection) -> None:
    """Make the tables where they are missing."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    metadata.create_all(connection, tables=_TABLES)
