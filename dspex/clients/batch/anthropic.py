"""Anthropic's message batches: the requests go with the batch, and what came of them is one file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.batch.wire import BatchLine, PolledBatch
from dspex.errors import LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire
    from dspex.store.records.batch import Batch

_PAGE = 100
_CLOCKS_SECONDS = 120.0
"""How far the provider's clock and ours may be apart."""

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatch:
    """Anthropic's message batches (`dspex.clients.batch.wire.BatchWire` explains the methods).

    Batches cannot be marked here. One whose creation got no answer is recognized by its time and size, unless another
    batch of ours has that id. If it turns out to be a stranger's, its results match none of our requests, and these are
    submitted again.
    """

    name = "anthropic"
    max_requests = 50_000
    """Anthropic takes 100,000."""
    max_bytes = 64 * 1024 * 1024
    """Anthropic takes 256 MB; this is what a worker has in memory at once."""
    create_seconds = 600.0
    longest_seconds = 30 * 3600.0
    price = 0.5

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """Split the address of a single call into the API's base and the endpoint's path."""
        return address.removesuffix(wire.path), wire.path

    def line(self, target: Target, key: str, body: bytes) -> bytes:
        """Write the element of the batch's ``requests`` that holds `body` under `key`."""
        return b'{"custom_id":"%b","params":%b}' % (key.encode(), body)

    async def upload(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Do nothing: the requests go with the batch."""
        return None

    async def create(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str:
        """Create the batch with its requests, and return its id."""
        body = b'{"requests":[%b]}' % b",".join(lines)
        return _named(await http.send("POST", "/messages/batches", body, timeout=self.create_seconds))

    async def find(self, http: HttpClient, batch: Batch) -> list[str]:
        """Return the ids of recent batches of the same size that were not created before ours was asked for."""
        page = await http.get(f"/messages/batches?limit={_PAGE}")
        return [_named(one) for one in page.get("data") or [] if _may_be(one, batch)]

    async def check(self, http: HttpClient) -> None:
        """List one batch, to see that the API is there and the key is good."""
        await http.get("/messages/batches?limit=1")

    async def poll(self, http: HttpClient, batch: Batch) -> PolledBatch:
        """Ask for the batch's status and its counts of requests."""
        raw = await http.get(f"/messages/batches/{batch.provider_id}")
        counts = raw.get("request_counts") or {}
        done = sum(count for name, count in counts.items() if name != "processing")
        return PolledBatch("ended" if raw.get("processing_status") == "ended" else "working", done, raw)

    async def results(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> AsyncIterator[BatchLine]:
        """Yield the lines of the results file, read as outcomes."""
        # Not at `results_url`: the key is sent to the address that the user gave, and to no other.
        async for line in http.lines(f"/messages/batches/{batch.provider_id}/results"):
            yield read_line(line)

    async def cancel(self, http: HttpClient, batch: Batch) -> None:
        """Ask for the batch's cancellation, with retries."""
        await http.post(f"/messages/batches/{batch.provider_id}/cancel", again=True)

    async def clean_up(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> None:
        """Do nothing: there are no files. The batch stays where its owner sees it, and is deleted after 29 days."""


def read_line(line: bytes) -> BatchLine:
    """Read a line of a results file. An error gets the HTTP status that a single call would have got.

    Raises:
        LMUnexpectedError: the line is not a result.
    """
    try:
        data = orjson.loads(line)
        key, result = data["custom_id"], data["result"]
        kind = result["type"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as broken:
        raise LMUnexpectedError(f"A line of the batch's results cannot be read: {line[:200]!r}") from broken
    if kind == "succeeded":
        return BatchLine(key, 200, orjson.dumps(result["message"]))
    if kind == "errored":
        error = result.get("error") or {}
        inner = error.get("error") or error
        return BatchLine(key, _STATUS.get(str(inner.get("type")), 500), orjson.dumps(error))
    return BatchLine(key, None, line)


def _may_be(listed: dict[str, Any], batch: Batch) -> bool:
    """Created when ours was asked for, or later, with as many requests."""
    counts = listed.get("request_counts") or {}
    created = _seconds(listed.get("created_at"))
    late_enough = created is not None and created >= (batch.sent_at or 0.0) - _CLOCKS_SECONDS
    return late_enough and sum(counts.values()) == batch.requests


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _named(data: Any) -> str:
    name = data.get("id") if isinstance(data, dict) else None
    if not isinstance(name, str) or not name:
        raise LMUnexpectedError(f"The answer has no id: {str(data)[:200]}")
    return name
