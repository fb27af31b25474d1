"""The ledger's entry of a finished call: made here, whichever way the answer came."""

from __future__ import annotations

from typing import Any

from dspex.clients.calls.calling_predictor import calling_predictor
from dspex.clients.calls.scope import CallScope
from dspex.clients.canonical.answer import stopped_because
from dspex.clients.canonical.usage import TokenCounts
from dspex.store.records.ledger import LedgerEntry


def ledger_entry(
    key: str,
    model: str,
    response: bytes,
    reply: Any,
    tokens: TokenCounts,
    *,
    cost_usd: float | None,
    latency_s: float,
    scope: CallScope | None = None,
) -> LedgerEntry:
    """Build the ledger's entry of a call.

    Args:
        key: The hash of the request; empty if the call is not recorded.
        model: The model's name, as the user wrote it.
        response: The answer as it is kept.
        reply: The answer decoded.
        tokens: What it used.
        cost_usd: US dollars; None if the price is unknown.
        latency_s: Seconds from the request to the answer, retries included.
        scope: The run that pays and the program that called; None outside of runs, and where the store knows them.
    """
    return LedgerEntry(
        key=key,
        model=model,
        response=response,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cost_usd=cost_usd,
        latency_s=latency_s,
        run_id=scope.run_id if scope is not None else None,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        reasoning_tokens=tokens.reasoning,
        predictor=calling_predictor(scope) if scope is not None else None,
        outcome=stopped_because(reply),
    )
