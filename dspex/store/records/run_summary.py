"""The numbers of a run: kept of a local run, and printed of any by ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dspex.store.records.bill import Bill


@dataclass(frozen=True)
class RunSummary:
    """The keys of ``--json``, in their order; None where something is unknown or is not.

    `stopped` says whether the run ended before its time (``"budget"``: because that was used up); `bill` are the lines
    of the bill, by model and predictor (`dspex.store.BillLine`).
    """

    run_id: str
    workflow_id: str | None = None
    score: float | None = None
    baseline_score: float | None = None
    program_path: str | None = None
    lm_calls: int | None = None
    lm_calls_from_ledger: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    n_failed: int | None = None
    stopped: bool | str = False
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    bill: Sequence[dict[str, Any]] = ()

    @classmethod
    def of(cls, run_id: str, bill: Bill, **fields: Any) -> RunSummary:
        """Make the summary of a run.

        Args:
            run_id: The run.
            bill: Its bill: the numbers of calls, tokens and dollars.
            fields: The other fields.
        """
        return cls(run_id=run_id, lm_calls_from_ledger=bill.calls_from_ledger, **figures_of(bill), **fields)


def figures_of(bill: Bill) -> dict[str, Any]:
    """Return the figures of a bill under their names in a `RunSummary`."""
    return {
        "lm_calls": bill.calls,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        # The bill adds known prices only: calls that cost nothing in all are calls without a known price.
        "cost_usd": None if bill.calls and not bill.cost_usd else bill.cost_usd,
        "cached_tokens": bill.cached_tokens,
        "reasoning_tokens": bill.reasoning_tokens,
        "bill": [asdict(line) for line in bill.lines],
    }
