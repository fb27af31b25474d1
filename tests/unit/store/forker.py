"""A process that uses its store, forks, and uses it in parent and child: ``forker.py URL``. Prints what each saw."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from entries import entry

from dspex.store import Hit, Store

store = Store.open(sys.argv[1])


def claim(key: str) -> str:
    answer = asyncio.run(store.ledger.claim(key))
    return "Hit" if isinstance(answer, Hit) else repr(answer)


asyncio.run(store.ledger.record(entry("recorded")))
claim("parent's")
reading, writing = os.pipe()
asking, telling = os.pipe()
if os.fork() == 0:
    seen = {
        "child claims the parent's key": claim("parent's"),
        "child claims another key": claim("child's"),
        "child reads what the parent recorded": claim("recorded"),
    }
    os.write(writing, json.dumps(seen).encode())
    os.read(asking, 1)
    os._exit(0)
seen = json.loads(os.read(reading, 10_000))
seen["parent claims the child's key"] = claim("child's")
seen["parent reads after the child"] = claim("recorded")
os.write(telling, b"x")
os.wait()
print(json.dumps(seen), flush=True)
