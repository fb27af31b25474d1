"""HTTP with a batch API: small JSON both ways, large files up and down."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.canonical.secrets import scrub
from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.http.transport import MAX_RESPONSE_BYTES, FileTransport, RawResponse
from dspex.clients.resilience.retry import with_retries
from dspex.errors import LMError, LMTransportError, LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire

SECONDS = 60.0
FILE_SECONDS = 1800.0
RETRIES = 3


class Http:
    """One target's API. `wire` gives the headers and reads errors."""

    def __init__(self, target: Target, wire: Wire, key: str | None, transport: FileTransport | None = None) -> None:
        self.target = target
        self._wire = wire
        self._key = key
        self._transport = transport or default_transport()
        self._headers = {**wire.headers(key), **target.headers}

    async def get(self, path: str) -> Any:
        """Asked again when that may help."""
        return await with_retries(lambda _: self.send("GET", path), RETRIES)

    async def post(self, path: str, body: bytes | None = None, *, again: bool = False) -> Any:
        """Posted once, unless `again` says that twice does no harm."""
        return await with_retries(lambda _: self.send("POST", path, body), RETRIES if again else 0)

    async def delete(self, path: str) -> None:
        await self.send("DELETE", path)

    async def send(
        self, method: str, path: str, body: bytes | AsyncIterable[bytes] | None = None, *,
        headers: Mapping[str, str] | None = None, timeout: float = SECONDS,
    ) -> Any:  # fmt: skip
        """The answer's JSON.

        Raises:
            LMError: there is none; without the key, whoever echoed it.
        """
        url = self.target.url(path)
        try:
            response = await self._transport.request(method, url, {**self._headers, **(headers or {})}, body, timeout)
            if response.status not in (200, 201, 204):
                raise self._wire.error(response)
            return _json(response.body)
        except LMError as error:
            raise self._told(error, url) from None

    async def upload(self, path: str, fields: Mapping[str, str], filename: str, lines: Sequence[bytes]) -> Any:
        """Post `lines` as a file of a form, piece by piece."""
        boundary = uuid.uuid4().hex
        head, tail = _form(fields, filename, boundary)
        length = len(head) + sum(map(len, lines)) + len(tail)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}

        async def pieces() -> AsyncIterator[bytes]:
            yield head
            for at in range(0, len(lines), 256):
                yield b"".join(lines[at : at + 256])
            yield tail

        return await with_retries(
            lambda _: self.send("POST", path, pieces(), headers=headers, timeout=FILE_SECONDS), RETRIES
        )

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a file, as they come in."""
        url = self.target.url(path)
        rest = b""
        try:
            async with self._transport.download(url, self._headers, FILE_SECONDS) as response:
                if response.status != 200:
                    body = b"".join([piece async for piece in response.pieces])
                    raise self._wire.error(RawResponse(response.status, response.headers, body))
                async for piece in response.pieces:
                    *whole, rest = (rest + piece).split(b"\n")
                    if len(rest) > MAX_RESPONSE_BYTES:
                        raise LMTransportError(f"{url} holds a line of more than {MAX_RESPONSE_BYTES >> 20} MiB")
                    for line in whole:
                        if line.strip():
                            yield line
        except LMError as error:
            raise self._told(error, url) from None
        if rest.strip():
            yield rest

    def _told(self, error: LMError, url: str) -> LMError:
        where = f"{url}: " if url not in error.message else ""
        told = type(error)(
            scrub(where + error.message, self._key),
            model=self.target.model,
            status=error.status,
            retry_after=error.retry_after,
        )
        told.provider_code, told.request_id = error.provider_code, error.request_id
        return told


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LMUnexpectedError(f"The answer is not JSON ({error})") from None


def _form(fields: Mapping[str, str], filename: str, boundary: str) -> tuple[bytes, bytes]:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()
