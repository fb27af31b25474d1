"""Gemini's batches: the requests go with the batch, and what came of them stands in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from dspex.clients.batch.wire import BatchLine, PolledBatch, ProviderStatus
from dspex.errors import LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire
    from dspex.store.records.batch import Batch

_PAGE = 100
_PAGES = 5
_BATCH_STATUS: dict[str, ProviderStatus] = {
    "SUCCEEDED": "ended",
    "CANCELLED": "ended",
    "EXPIRED": "ended",
    "PARTIALLY_SUCCEEDED": "ended",
    "FAILED": "failed",
}
_STATUS = {3: 400, 5: 404, 7: 403, 9: 400, 11: 400, 16: 401, 8: 429, 4: 504, 13: 500, 14: 503}
"""HTTP statuses of gRPC's codes, of which a line's error may hold either."""
_TRANSIENT = {8, 14, 429, 503}


class GeminiBatch:
    """Gemini's batches, marked by their display name (`dspex.clients.batch.wire.BatchWire` explains the methods)."""

    name = "gemini"
    max_requests = 2_000
    """The answers come in one piece, too, which must not grow beyond what a call may answer."""
    max_bytes = 12 * 1024 * 1024
    """Gemini takes 20 MB in a request."""
    create_seconds = 300.0
    longest_seconds = 54 * 3600.0
    """Gemini's batches expire after 48 hours."""
    price = 0.5

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """Split the address of a single call into the API's base and the model's path.

        Raises:
            LMUnexpectedError: it is not the address of a Gemini model.
        """
        base, found, model = address.rpartition("/models/")
        if not found:
            raise LMUnexpectedError(f"{address} is not the address of a Gemini model")
        return base, f"/models/{model.partition(':')[0]}"

    def line(self, target: Target, key: str, body: bytes) -> bytes:
        """Write the element of the batch's ``requests`` that holds `body` under `key`."""
        return b'{"request":%b,"metadata":{"key":"%b"}}' % (body, key.encode())

    async def upload(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Do nothing: the requests go with the batch."""
        return None

    async def create(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str:
        """Create the batch with its requests, marked by its display name, and return its name."""
        body = b'{"batch":{"displayName":"%b","inputConfig":{"requests":{"requests":[%b]}}}}' % (
            _mark(batch).encode(),
            b",".join(lines),
        )
        path = f"{http.target.endpoint}:batchGenerateContent"
        return _named(await http.send("POST", path, body, timeout=self.create_seconds))

    async def find(self, http: HttpClient, batch: Batch) -> list[str]:
        """Return the names of recent batches with our display name."""
        token = ""
        for _ in range(_PAGES):
            page = await http.get(f"/batches?pageSize={_PAGE}{token}")
            listed = page.get("operations") or []
            found = [_named(one) for one in listed if _about(one).get("displayName") == _mark(batch)]
            if found or not page.get("nextPageToken"):
                return found
            token = f"&pageToken={quote(page['nextPageToken'])}"
        return []

    async def check(self, http: HttpClient) -> None:
        """List one batch, to see that the API is there and the key is good."""
        await http.get("/batches?pageSize=1")

    async def poll(self, http: HttpClient, batch: Batch) -> PolledBatch:
        """Ask for the batch's state, its counts of requests and, once it has ended, its answers."""
        raw = await http.get(f"/{batch.provider_id}")
        about = _about(raw)
        stats = about.get("batchStats") or {}
        done = int(stats.get("successfulRequestCount") or 0) + int(stats.get("failedRequestCount") or 0)
        state = str(about.get("state")).removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        status = _BATCH_STATUS.get(state, "working")
        if status == "failed":
            error = raw.get("error") or {}
            words = str(error.get("message") or "it does not say why")
            return PolledBatch(status, done, raw, words, transient=error.get("code") in _TRANSIENT)
        return PolledBatch(status, done, raw)

    async def results(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> AsyncIterator[BatchLine]:
        """Yield the outcomes that the last `poll` brought."""
        output = polled.raw.get("response") or _about(polled.raw).get("output") or {}
        inlined = output.get("inlinedResponses") or {}
        for one in inlined.get("inlinedResponses") or []:
            key = (one.get("metadata") or {}).get("key")
            if isinstance(key, str):
                yield read_result(key, one)

    async def cancel(self, http: HttpClient, batch: Batch) -> None:
        """Ask for the batch's cancellation, with retries."""
        await http.post(f"/{batch.provider_id}:cancel", again=True)

    async def clean_up(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> None:
        """Do nothing: there are no files. The batch stays where its owner sees it, until Gemini deletes it."""


def read_result(key: str, one: dict[str, Any]) -> BatchLine:
    """Read one of a batch's answers. An error gets the HTTP status that a single call would have got.

    Args:
        key: The ledger's key of the request.
        one: The element of ``inlinedResponses``.
    """
    if isinstance(one.get("response"), dict):
        return BatchLine(key, 200, orjson.dumps(one["response"]))
    error = one.get("error")
    if not isinstance(error, dict):
        return BatchLine(key, None, b"")
    code = error.get("code")
    if not isinstance(code, int) or code == 1:  # cancelled
        return BatchLine(key, None, orjson.dumps(error))
    status = _STATUS.get(code, code if code >= 400 else 500)
    return BatchLine(key, status, orjson.dumps({"error": {**error, "code": status}}))


def _mark(batch: Batch) -> str:
    return f"dspex-{batch.id}"


def _about(operation: dict[str, Any]) -> dict[str, Any]:
    return operation.get("metadata") or operation.get("batch") or {}


def _named(data: Any) -> str:
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not name.startswith("batches/"):
        raise LMUnexpectedError(f"The answer is no batch: {str(data)[:200]}")
    return name
