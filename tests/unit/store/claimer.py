"""A process that claims keys: ``claimer.py URL NAME COUNT``. Run by tests that need several, or one to kill.

Says ``ready``, waits for a line on its input, claims `COUNT` keys at once, records those it wins, asks again for those
held by others until it has every answer, and prints what it won and every answer as one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys

from entries import entry

from dspex.store import Hit, Store, Won


async def main(url: str, name: str, count: int) -> None:
    store = Store(url)
    print("ready", flush=True)
    sys.stdin.readline()
    won: list[str] = []

    async def settle(key: str) -> str:
        while True:
            answer = await store.ledger.claim(key)
            if isinstance(answer, Hit):
                return answer.entry.response.decode()
            if isinstance(answer, Won):
                won.append(key)
                await asyncio.sleep(0.01)  # the call
                await store.ledger.record(entry(key, response=f"{name}: {key}".encode(), run_id=name))
            else:
                await asyncio.sleep(0.02)

    keys = [f"key {i}" for i in range(count)]
    answers = await asyncio.gather(*map(settle, keys))
    print(json.dumps({"won": won, "answers": dict(zip(keys, answers, strict=True))}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
