"""The store's tables. The names are prefixed because a PostgreSQL database may hold other things too."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from dspex.store.records.bill import FIGURES

VERSION = 2
"""Raised when the tables change. An older store is brought up to date (`dspex.store.sql.upgrade`), a newer refused."""

metadata = MetaData()


def _count(name: str) -> Column[int]:
    """A number that an older dspex, or an older store, does not know of."""
    return Column(name, BigInteger, nullable=False, server_default="0")


versions = Table("dspex_version", metadata, Column("version", Integer, primary_key=True))

ledger = Table(
    "dspex_ledger",
    metadata,
    Column("key", String, primary_key=True),
    Column("model", Text, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double),
    Column("latency_s", Double, nullable=False),
    Column("run_id", String),
    Column("created_at", Double, nullable=False),
    _count("cached_tokens"),
    _count("cache_write_tokens"),
    _count("reasoning_tokens"),
    Column("predictor", Text),
    Column("outcome", Text),
)
"""Finished LM calls. `created_at` is Unix time, as everywhere here."""

# Covers the bill, so that adding up a run reads no responses.
Index(
    "dspex_ledger_costs",
    *(ledger.c[name] for name in ("run_id", "model", "predictor", "prompt_tokens", "cached_tokens")),
    *(ledger.c[name] for name in ("cache_write_tokens", "completion_tokens", "reasoning_tokens")),
    *(ledger.c[name] for name in ("cost_usd", "latency_s")),
)

repeats = Table(
    "dspex_ledger_repeats",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False),
    Column("run_id", String, index=True),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double),
    Column("latency_s", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("model", Text),
    _count("cached_tokens"),
    _count("cache_write_tokens"),
    _count("reasoning_tokens"),
    Column("predictor", Text),
    Column("outcome", Text),
)
"""Calls that were paid for although another had been recorded first: no answers, but part of the bill."""

pruned = Table(
    "dspex_pruned",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("predictor", Text, primary_key=True),
    *(_count(name) for name in FIGURES if name not in ("cost_usd", "latency_s")),
    Column("cost_usd", Double, nullable=False),
    Column("latency_s", Double, nullable=False),
)
"""The cost of calls whose answers have been pruned: a bill outlives them. Empty strings stand for what is unknown."""

budgets = Table(
    "dspex_budgets",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("usd", Double),
    Column("tokens", BigInteger),
    Column("calls", BigInteger),
    Column("used_pico", BigInteger, nullable=False),
    Column("used_tokens", BigInteger, nullable=False),
    Column("used_calls", BigInteger, nullable=False),
)
"""The limits of runs (null: none), and what is used: paid, and reserved for calls in progress.
Money is counted in millionths of a millionth of a dollar: whole numbers do not drift."""

reservations = Table(
    "dspex_reservations",
    metadata,
    Column("key", String, primary_key=True),
    Column("owner", String, primary_key=True),
    Column("run_id", String, nullable=False, index=True),
    Column("pico", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
)
"""The most that each call in progress can cost. A dead owner's stay used: what it paid is not known."""

claims = Table(
    "dspex_claims",
    metadata,
    Column("key", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
)

owners = Table(
    "dspex_owners",
    metadata,
    Column("id", String, primary_key=True),
    Column("beat", Double, nullable=False),
)

datasets = Table(
    "dspex_datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha", String, unique=True),
    Column("rows", BigInteger),
    Column("inputs", Text),
    Column("created_at", Double, nullable=False),
)
"""`sha` is null until all rows are in: such a dataset is invisible."""

blocks = Table(
    "dspex_dataset_blocks",
    metadata,
    Column("dataset", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Rows `start` to `start + count` of a dataset, as compressed lines of JSON."""

programs = Table(
    "dspex_programs",
    metadata,
    Column("sha", String, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

outcomes = Table(
    "dspex_outcomes",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("score", Double),
    Column("error", Text),
    Column("passed", Boolean),
    Column("demos", LargeBinary),
    Column("prediction", LargeBinary),
    Column("lm_calls", Integer, nullable=False),
    Column("lm_calls_from_ledger", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("errors", LargeBinary, nullable=False),
)

_failed = outcomes.c.error.is_not(None)
Index(
    "dspex_outcomes_failed",
    outcomes.c.run_id,
    outcomes.c.path,
    outcomes.c.idx,
    sqlite_where=_failed,
    postgresql_where=_failed,
)

runs = Table(
    "dspex_runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("optimizer", Text),
    Column("program", Text),
    Column("score", Double),
    Column("baseline", Double),
    Column("workflow_id", Text),
    Column("started_at", Double, nullable=False, index=True),
    Column("updated_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("result", LargeBinary),
)

probes = Table("dspex_probes", metadata, Column("id", String, primary_key=True), Column("body", LargeBinary))
