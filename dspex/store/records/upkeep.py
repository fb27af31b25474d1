"""What the ledger holds, and which of it is meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dspex.store.records.ledger import LedgerEntry


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the ledger's entries: all that meet every condition that is set.

    `before` is Unix time; `run_id` the run that paid; `max_bytes` selects the oldest, as many as it takes for the
    answers of all others to fit in so many bytes. Entries of the runs `spared` are never selected.
    """

    before: float | None = None
    run_id: str | None = None
    model: str | None = None
    max_bytes: int | None = None
    spared: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class ModelStats:
    """What the ledger holds of one model. `bytes` are those of the answers; times are Unix time."""

    model: str
    entries: int
    bytes: int
    cost_usd: float
    oldest: float
    newest: float


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """What the ledger holds. `pruned` calls are known by their bills alone; `under_way` calls are claimed now."""

    entries: int
    bytes: int
    runs: int
    pruned: int
    under_way: int
    models: tuple[ModelStats, ...]


@dataclass(frozen=True, slots=True)
class RecordedEntry:
    """An entry, and when it was recorded, in Unix time."""

    entry: LedgerEntry
    created_at: float
