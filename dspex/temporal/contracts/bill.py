"""A bill as it travels: under the names of its figures that histories of version 0.1 hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from dspex.store.records.bill import Bill, BillLine

_LINES = TypeAdapter(list[BillLine])


def _from_payload(payload: Any) -> Bill:
    if isinstance(payload, Bill):
        return payload
    if not isinstance(payload, dict):
        raise ValueError("a bill is an object")
    return replace(
        Bill.of(_LINES.validate_python(payload.get("lines", []))),
        calls=payload.get("lm_calls", 0),
        calls_from_ledger=payload.get("lm_calls_from_ledger", 0),
        prompt_tokens=payload.get("prompt_tokens", 0),
        completion_tokens=payload.get("completion_tokens", 0),
        cost_usd=payload.get("cost_usd", 0.0),
    )


def _to_payload(bill: Bill) -> dict[str, Any]:
    return {
        "lm_calls": bill.calls,
        "lm_calls_from_ledger": bill.calls_from_ledger,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "cost_usd": bill.cost_usd,
        "lines": _LINES.dump_python(list(bill.lines), mode="json"),
    }


BillPayload = Annotated[Bill, PlainValidator(_from_payload), PlainSerializer(_to_payload)]
"""A `dspex.store.Bill` in a contract."""
