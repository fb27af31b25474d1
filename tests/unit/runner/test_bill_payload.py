"""Bills in histories: what version 0.1 wrote is read, and what is written is what it reads."""

from __future__ import annotations

from typing import Any

from dspex.store import Bill, BillLine
from dspex.temporal.contracts.optimize import EvaluateResult, FinishResult, OptimizeResult

OLD: dict[str, Any] = {
    "lm_calls": 3,
    "lm_calls_from_ledger": 2,
    "prompt_tokens": 30,
    "completion_tokens": 9,
    "cost_usd": 0.25,
    "lines": [{"model": "m", "predictor": "self", "calls": 3, "prompt_tokens": 30, "cached_tokens": 8}],
}


def test_a_bill_of_an_old_history_is_read() -> None:
    bill = FinishResult.model_validate({"program": "sha", "bill": OLD}).bill
    assert (bill.calls, bill.calls_from_ledger, bill.prompt_tokens, bill.cost_usd) == (3, 2, 30, 0.25)
    assert (bill.lines[0].predictor, bill.cached_tokens) == ("self", 8)


def test_a_bill_without_lines_keeps_its_sums() -> None:
    bill = OptimizeResult.model_validate_json('{"run_id": "r", "program": "s", "bill": {"lm_calls": 4}}').bill
    assert (bill.calls, bill.lines) == (4, ())


def test_a_bill_is_written_under_the_names_of_the_first_version() -> None:
    bill = Bill.of([BillLine("m", "self", calls=3, prompt_tokens=30, cost_usd=0.25)])
    written = FinishResult(program="sha", bill=bill).model_dump(mode="json")["bill"]
    assert list(written) == list(OLD)
    assert (written["lm_calls"], written["lines"][0]["calls"]) == (3, 3)
    assert FinishResult.model_validate({"program": "sha", "bill": written}).bill == bill


def test_no_bill_is_no_bill() -> None:
    assert EvaluateResult(path="p", rows=1, score=0.0).model_dump()["bill"] is None
