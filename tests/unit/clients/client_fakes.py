"""A network and a ledger in memory, for tests of the client alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from support.waiting import until as until

from dspex.clients.http.transport import RawResponse
from dspex.store.records.budget import BudgetExhausted, Payer
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won

KEY = "sk-very-secret-0123456789"
BASE = "http://provider.test/v1"


def completion(text: str | None = "Paris", **more: Any) -> dict[str, Any]:
    """A chat completion with one choice."""
    message = {"role": "assistant", "content": text, **more}
    return {
        "model": "served-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def response(status: int = 200, body: Any = None, **headers: str) -> RawResponse:
    """A whole HTTP answer; `body` is bytes, or is made JSON. Underscores in header names stand for hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(completion() if body is None else body).encode()
    return RawResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


class FakeTransport:
    """Answers with each of `answers` in turn, the last one for ever; waits for `gate` first, if there is one."""

    def __init__(self, *answers: RawResponse | Exception, gate: asyncio.Event | None = None) -> None:
        self.answers = list(answers) or [response()]
        self.gate = gate
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        self.sent.append((url, dict(headers), body))
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.sent]


class MemoryLedger:
    """The ledger's contract in a dict. `held` are keys that another process holds; `broken` fails the next writes."""

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.claims: set[str] = set()
        self.held: set[str] = set()
        self.broken: list[Exception] = []
        self.asked = 0

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won | Held:
        self.asked += 1
        await asyncio.sleep(0)
        if key in self.entries:
            return Hit(self.entries[key])
        if key in self.held or key in self.claims:
            return Held()
        self.claims.add(key)
        return Won()

    async def reserve(self, key: str, payer: Payer) -> Held | BudgetExhausted | None:
        return None

    async def lookup(self, key: str) -> LedgerEntry | None:
        return self.entries.get(key)

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        await asyncio.sleep(0)
        if self.broken:
            raise self.broken.pop(0)
        self.claims.discard(entry.key)
        return self.entries.setdefault(entry.key, entry)

    async def release(self, key: str) -> None:
        self.claims.discard(key)
