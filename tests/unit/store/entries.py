"""Ledger entries for tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from dspex.store import LedgerEntry

_ENTRY = LedgerEntry(
    key="key",
    model="openai/test",
    response=b'{"answer": "\xc3\xa9 \\u0000"}',
    prompt_tokens=10,
    completion_tokens=5,
    cost_usd=0.25,
    latency_s=0.5,
    run_id="run",
)


def entry(key: str = "key", **changes: Any) -> LedgerEntry:
    return dataclasses.replace(_ENTRY, key=key, **changes)
