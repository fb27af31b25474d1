"""A finished LM call, and what a claim of one is answered with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A finished LM call.

    `cost_usd` is None where the price is unknown; `run_id` is the run that paid, `predictor` who called (the tokens and
    names are those of `store.records.bill.BillLine`); `outcome` is why the model stopped: ``"stop"``, ``"length"``, ...
    """

    key: str
    model: str
    response: bytes
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    latency_s: float
    run_id: str | None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    predictor: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """The call is in the ledger."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class Won:
    """The caller must make the call, and then `record` or `release` it.

    If the run that pays has a budget (`limited`), it must `reserve` the call's cost first.
    """

    limited: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """Another caller is making the call: ask again a little later."""
