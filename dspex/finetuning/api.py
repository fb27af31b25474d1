"""OpenAI's Files and Fine-tuning API, as far as it is needed. Reads are retried here; the caller retries writes.

A write without an answer may have been done: before it is repeated, the caller looks for what it would have made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from dspex.clients.canonical.secrets import in_headers, scrub, scrub_body
from dspex.clients.http.multipart import file_form
from dspex.clients.http.transport import Body, RawResponse, RequestingTransport
from dspex.clients.resilience.retry import with_retries
from dspex.clients.wires.body import excerpt
from dspex.clients.wires.openai.chat import OPENAI_CHAT
from dspex.errors import LMError, LMUnexpectedError, LMUnsupportedModelError
from dspex.finetuning.job import FinetuningJob, job_of
from dspex.finetuning.training_file import TrainingFile

TRIES_AGAIN = 3

_TIMEOUT = 60.0
_UPLOAD_TIMEOUT = 3600.0
_PURPOSE = "fine-tune"
_FILES_A_PAGE = 1000
_JOBS_A_PAGE = 100
_MOST_PAGES = 20


class FineTuningApi:
    """The API at one address with one key. All methods raise `LMError`s, as calls do.

    Args:
        base_url: The address.
        headers: Sent with every request and never shown: they hold the key.
        key: The key, which is removed from errors.
        transport: What to send with.
        tries_again: Retries of a read.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        key: str | None,
        transport: RequestingTransport,
        tries_again: int = TRIES_AGAIN,
    ) -> None:
        self.base_url = base_url
        self.tries_again = tries_again
        self._headers = headers
        self._secrets = (key, *in_headers(headers))
        self._transport = transport

    async def find_file(self, name: str, size: int) -> str | None:
        """Find an uploaded training file.

        Args:
            name: The file's name at the provider.
            size: Its size in bytes.

        Returns:
            The provider's id of the file; None if there is none.
        """
        async for file in self._pages(f"/files?purpose={_PURPOSE}&limit={_FILES_A_PAGE}"):
            if (file.get("filename"), file.get("bytes")) == (name, size) and file.get("status") != "error":
                return str(file["id"])
        return None

    async def upload(self, file: TrainingFile) -> str:
        """Upload a training file, without retries; returns its id."""
        form = file_form({"purpose": _PURPOSE}, file.facts.name)

        async def body() -> AsyncIterator[bytes]:
            yield form.head
            async for piece in file.pieces():
                yield piece
            yield form.tail

        headers = form.headers(file.facts.size)
        made = await self._ask("POST", "/files", body(), headers, _UPLOAD_TIMEOUT)
        if not isinstance(made, dict) or not made.get("id"):
            raise LMUnexpectedError(f"The answer to the upload names no file: {str(made)[:300]}")
        return str(made["id"])

    async def jobs(self) -> AsyncIterator[FinetuningJob]:
        """The account's jobs, the latest first."""
        async for data in self._pages(f"/fine_tuning/jobs?limit={_JOBS_A_PAGE}"):
            yield job_of(data)

    async def create_job(self, request: Mapping[str, Any]) -> FinetuningJob:
        """Create a job, without retries, from the API's request body."""
        return job_of(await self._ask("POST", "/fine_tuning/jobs", orjson.dumps(request)))

    async def job(self, job_id: str) -> FinetuningJob | None:
        """The job, or None if this account has none of that id."""
        try:
            return job_of(await self._read(f"/fine_tuning/jobs/{job_id}"))
        except LMUnsupportedModelError as error:
            if error.status == 404:
                return None
            raise

    async def events(self, job_id: str, limit: int) -> list[str]:
        """Return the provider's last messages about a job, the oldest first.

        Args:
            job_id: The provider's id of the job.
            limit: The most messages to return.
        """
        page = await self._read(f"/fine_tuning/jobs/{job_id}/events?limit={limit}")
        found = page.get("data") if isinstance(page, dict) else None
        messages = [event for event in found or () if isinstance(event, dict) and event.get("message")]
        messages.sort(key=lambda event: event.get("created_at") or 0)
        return [str(event["message"]) for event in messages]

    async def cancel_job(self, job_id: str) -> None:
        """Cancel a job.

        Raises:
            LMInvalidRequestError: it has ended already.
        """
        await with_retries(lambda _: self._ask("POST", f"/fine_tuning/jobs/{job_id}/cancel", b"{}"), self.tries_again)

    async def _pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        after = ""
        for _ in range(_MOST_PAGES):
            page = await self._read(path + after)
            found = page.get("data") if isinstance(page, dict) else None
            if not isinstance(found, list):
                raise LMUnexpectedError(f"The answer is no list: {str(page)[:300]}")
            for each in found:
                yield each
            if not found or not page.get("has_more"):
                return
            after = f"&after={found[-1]['id']}"

    async def _read(self, path: str) -> Any:
        return await with_retries(lambda _: self._ask("GET", path, None), self.tries_again)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Any:
        url = self.base_url + path
        try:
            response = await self._transport.request(method, url, {**self._headers, **(headers or {})}, body, timeout)
            scrubbed = scrub_body(response.body, *self._secrets)  # a job's errors and events are kept, and shown
            if response.status not in (200, 201):
                raise OPENAI_CHAT.error(RawResponse(response.status, response.headers, scrubbed))
            return _json(scrubbed)
        except LMError as error:
            raise self._without_secrets(error, url) from None

    def _without_secrets(self, error: LMError, url: str) -> LMError:
        """`error` with the address in its message, and without the key if the provider echoed it."""
        where = "" if url in error.message else f"{url}: "
        copy = type(error)(
            scrub(where + error.message, *self._secrets), status=error.status, retry_after=error.retry_after
        )
        copy.provider_code = error.provider_code
        return copy


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise LMUnexpectedError(f"The answer is not JSON: {excerpt(body)}") from None
