"""How many calls the ledger answers, and how many new ones it takes, per second in one process.

Measures the ledger alone (no LM, no prompt): hits from memory, hits from the database, and claims that are won and then
recorded. Prints one JSON line. `--url` names another store, such as a PostgreSQL database (it is written to).

    python benchmarks/ledger_hits.py [--calls 20000] [--concurrency 256] [--url URL]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from dspex.store import Hit, LedgerEntry, Store, Won

_RESPONSE = json.dumps(
    {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion",
        "model": "benchmark",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 400}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000},
    }
).encode()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=20_000)
    arguments.add_argument("--concurrency", type=int, default=256)
    arguments.add_argument("--url")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = options.url or str(Path(directory) / "store.db")
        figures = asyncio.run(measure(url, options.calls, options.concurrency))
    print(
        json.dumps(
            {"benchmark": "ledger_hits", "store": url.partition(":")[0] if "://" in url else "sqlite", **figures}
        )
    )


async def measure(url: str, calls: int, concurrency: int) -> dict[str, float]:
    keys = [hashlib.sha256(f"{time.time_ns()}/{i}".encode()).hexdigest() for i in range(calls)]
    writer, reader = Store(url), Store(url)  # the reader has nothing in memory
    await writer.check()
    await reader.check()

    async def claim_and_record(key: str) -> None:
        assert isinstance(await writer.ledger.claim(key), Won)
        await writer.ledger.record(LedgerEntry(key, "benchmark", _RESPONSE, 900, 100, 0.001, 0.05, "benchmark"))

    async def hit(key: str) -> None:
        assert isinstance(await reader.ledger.claim(key), Hit)

    figures: dict[str, float] = {"calls": calls, "concurrency": concurrency}
    figures |= await _timed("claim_and_record", claim_and_record, keys, concurrency)
    figures |= await _timed("hit_in_database", hit, keys, concurrency)
    figures |= await _timed("hit_in_memory", hit, keys, concurrency)
    figures |= await _timed("hit_in_database_one_by_one", Fresh(url).hit, keys[:2000], 1)
    writer.close()
    reader.close()
    return figures


class Fresh:
    """A reader that has nothing in memory."""

    def __init__(self, url: str) -> None:
        self._ledger = Store(url).ledger

    async def hit(self, key: str) -> None:
        assert isinstance(await self._ledger.claim(key), Hit)


async def _timed(
    name: str, one: Callable[[str], Awaitable[None]], keys: list[str], concurrency: int
) -> dict[str, float]:
    remaining = iter(keys)

    async def caller() -> None:
        for key in remaining:
            await one(key)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {f"{name}_per_s": round(len(keys) / wall), f"{name}_cpu_us": round(cpu / len(keys) * 1e6, 1)}


if __name__ == "__main__":
    main()
