"""A process that wins a claim, waits for a line on its input, and ends without a word: ``leaver.py URL``."""

from __future__ import annotations

import asyncio
import sys

from dspex.store import Store


async def main() -> None:
    print(await Store.open(sys.argv[1]).ledger.claim("key"), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
