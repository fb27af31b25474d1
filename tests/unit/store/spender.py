"""Begins calls that a run with a budget pays for, and waits to be killed: ``spender.py URL COUNT``."""

from __future__ import annotations

import asyncio
import sys

from dspex.store import CostUpperBound, Payer, Store, Won


async def main(url: str, count: int) -> None:
    ledger = Store(url).ledger
    for number in range(count):
        assert await ledger.claim(f"key {number}", "run") == Won(limited=True)
        assert await ledger.reserve(f"key {number}", Payer("run", lambda: CostUpperBound(15, 0.25))) is None
    print("claimed", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
