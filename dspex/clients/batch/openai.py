"""OpenAI's batches: a file of requests, a batch over it, files of what came of it. Groq's are the same.

Together's and Azure's differ in a few names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from dspex.clients.batch.wire import BatchLine, PolledBatch, ProviderStatus
from dspex.errors import LMError, LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire
    from dspex.store.records.batch import Batch

MARK = "dspex_batch"
_PAGE = 100
_PAGES = 5
_BATCH_STATUS: dict[str, ProviderStatus] = {
    "completed": "ended",
    "expired": "ended",
    "cancelled": "ended",
    "canceled": "ended",
    "failed": "failed",
}
_TRANSIENT = ("token_limit", "rate_limit", "quota_exceeded", "server_error")
"""Codes of failed batches that say: not now. (The limit on tokens in the queue is the usual one.)"""


class OpenAIBatch:
    """OpenAI's batches, and those of servers like it (`dspex.clients.batch.wire.BatchWire` explains the methods)."""

    name = "openai"
    prefix = "/v1"
    """What paths begin with where a batch names them."""
    max_requests = 50_000
    max_bytes = 64 * 1024 * 1024
    """OpenAI takes 200 MB; this is what a worker has in memory at once."""
    create_seconds = 60.0
    longest_seconds = 30 * 3600.0
    price = 0.5

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """Split the address of a single call into the API's base and the endpoint's path."""
        return address.removesuffix(wire.path), wire.path

    def line(self, target: Target, key: str, body: bytes) -> bytes:
        """Write the line of the input file that holds `body` under `key`."""
        url = f"{self.prefix}{target.endpoint}"
        return b'{"custom_id":"%b","method":"POST","url":"%b","body":%b}\n' % (key.encode(), url.encode(), body)

    async def upload(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Upload the lines as a JSONL file, and return the file's id."""
        together = _is_together(http)
        path, purpose = ("/files/upload", "batch-api") if together else ("/files", "batch")
        fields = {"purpose": purpose}
        filename = f"dspex-{batch.id}.jsonl"
        if together:
            fields |= {"file_name": filename, "file_type": "jsonl"}
        return _named(await http.upload(path, fields, filename, lines))

    async def create(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str:
        """Create the batch from its uploaded file, marked in its metadata, and return its id."""
        asked = {
            "input_file_id": batch.input_id,
            "endpoint": f"{self.prefix}{http.target.endpoint}",
            "completion_window": "24h",
            "metadata": {MARK: batch.id},
        }
        return _named(await http.post("/batches", orjson.dumps(asked)))

    async def find(self, http: HttpClient, batch: Batch) -> list[str]:
        """Return the ids of recent batches with our mark, or with our file where servers keep no marks."""
        found: list[str] = []
        after = ""
        for _ in range(_PAGES):
            page = await http.get(f"/batches?limit={_PAGE}{after}")
            listed = page if isinstance(page, list) else page.get("data") or []
            found += [_named(one) for one in listed if _is(one, batch)]
            if found or not isinstance(page, dict) or not page.get("has_more"):
                break
            after = f"&after={_named(listed[-1])}"
        return found

    async def check(self, http: HttpClient) -> None:
        """List one batch, to see that the API is there and the key is good."""
        await http.get("/batches?limit=1")

    async def poll(self, http: HttpClient, batch: Batch) -> PolledBatch:
        """Ask for the batch's status and its counts of requests."""
        raw = _object(await http.get(f"/batches/{batch.provider_id}"))
        counts = raw.get("request_counts") or {}
        status = _BATCH_STATUS.get(str(raw.get("status")).lower(), "working")
        done = (counts.get("completed") or 0) + (counts.get("failed") or 0)
        if status == "failed":
            error, transient = _why(raw)
            return PolledBatch(status, done, raw, error, transient)
        return PolledBatch(status, done, raw)

    async def results(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> AsyncIterator[BatchLine]:
        """Yield the lines of the output file and of the error file, read as outcomes."""
        for name in ("output_file_id", "error_file_id"):
            if polled.raw.get(name):
                async for line in http.lines(f"/files/{polled.raw[name]}/content"):
                    yield read_line(line)

    async def cancel(self, http: HttpClient, batch: Batch) -> None:
        """Ask for the batch's cancellation, with retries."""
        await http.post(f"/batches/{batch.provider_id}/cancel", again=True)

    async def clean_up(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> None:
        """Delete the batch's files, where the provider lets files be deleted."""
        for file in (batch.input_id, polled.raw.get("output_file_id"), polled.raw.get("error_file_id")):
            if file:
                with suppress(LMError):  # not everyone lets files be deleted; they expire
                    await http.delete(f"/files/{file}")


class AzureBatch(OpenAIBatch):
    """Azure's batches: OpenAI's, with other paths. They belong to a resource; a request's model is its deployment."""

    name = "azure"
    prefix = ""

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """Split the address of a deployment into the resource's base and the endpoint's path."""
        base, endpoint = super().place(address, wire)
        return base.partition("/deployments/")[0], endpoint


def read_line(line: bytes) -> BatchLine:
    """Read a line of an output file or of an error file.

    Raises:
        LMUnexpectedError: the line is neither.
    """
    try:
        data = orjson.loads(line)
        key, response, error = data["custom_id"], data.get("response"), data.get("error")
    except (orjson.JSONDecodeError, KeyError, TypeError) as broken:
        raise LMUnexpectedError(f"A line of the batch's results cannot be read: {line[:200]!r}") from broken
    if response and response.get("status_code") and response.get("body") is not None:
        return BatchLine(key, response["status_code"], orjson.dumps(response["body"]))
    return BatchLine(key, None, orjson.dumps({"error": error}))


def _why(raw: dict[str, Any]) -> tuple[str, bool]:
    """Why a batch failed as a whole, and whether it may not fail at another time."""
    errors = raw.get("errors") or {}
    listed = (errors.get("data") if isinstance(errors, dict) else errors) or []
    listed = listed or ([raw["error"]] if raw.get("error") else [])
    texts = [one.get("message") or one.get("code") or str(one) if isinstance(one, dict) else str(one) for one in listed]
    codes = [str(one.get("code") or "") for one in listed if isinstance(one, dict)]
    transient = any(part in code for code in codes for part in _TRANSIENT)
    return "; ".join(texts[:3]) or "it does not say why", transient


def _is(listed: dict[str, Any], batch: Batch) -> bool:
    """Our mark, or our file where marks are not kept."""
    mark = (listed.get("metadata") or {}).get(MARK)
    return mark == batch.id or (batch.input_id is not None and listed.get("input_file_id") == batch.input_id)


def _object(data: Any) -> dict[str, Any]:
    found = data.get("job", data) if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise LMUnexpectedError(f"The answer is no batch: {str(data)[:200]}")
    return found


def _named(data: Any) -> str:
    name = _object(data).get("id")
    if not isinstance(name, str) or not name:
        raise LMUnexpectedError(f"The answer has no id: {str(data)[:200]}")
    return name


def _is_together(http: HttpClient) -> bool:
    host = urlsplit(http.target.base).hostname or ""
    return host.endswith(("together.xyz", "together.ai"))
