"""HTTP with a batch API: small JSON both ways, large files up and down."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.canonical.secrets import scrub
from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.http.multipart import file_form
from dspex.clients.http.transport import MAX_RESPONSE_BYTES, FileTransport, RawResponse
from dspex.clients.resilience.retry import with_retries
from dspex.errors import LMError, LMTransportError, LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire

_TIMEOUT_SECONDS = 60.0
_FILE_TIMEOUT_SECONDS = 1800.0
_RETRIES = 3
_LINES_A_PIECE = 256


class HttpClient:
    """A client for one target's API. Its errors never show the key, also where a server echoes it.

    Args:
        target: The API.
        wire: The wire format of single calls, which gives the headers and reads errors.
        key: The key, if the API needs one.
        transport: What to send with; by default aiohttp.
    """

    def __init__(self, target: Target, wire: Wire, key: str | None, transport: FileTransport | None = None) -> None:
        self.target = target
        self._wire = wire
        self._key = key
        self._transport = transport or default_transport()
        self._headers = {**wire.headers(key), **target.headers}

    async def get(self, path: str) -> Any:
        """Send a GET request, with retries. Returns and raises as `send`."""
        return await with_retries(lambda _: self.send("GET", path), _RETRIES)

    async def post(self, path: str, body: bytes | None = None, *, again: bool = False) -> Any:
        """Send a POST request. Returns and raises as `send`.

        Args:
            path: The path under the API's base.
            body: What to send. None: nothing.
            again: Whether a second request is harmless, so that a failed one is tried again.
        """
        return await with_retries(lambda _: self.send("POST", path, body), _RETRIES if again else 0)

    async def delete(self, path: str) -> None:
        """Send a DELETE request, without retries. Raises as `send`."""
        await self.send("DELETE", path)

    async def send(
        self, method: str, path: str, body: bytes | AsyncIterable[bytes] | None = None, *,
        headers: Mapping[str, str] | None = None, timeout: float = _TIMEOUT_SECONDS,
    ) -> Any:  # fmt: skip
        """Send one request.

        Args:
            method: "GET", "POST", ...
            path: The path under the API's base.
            body: What to send, as a whole or piece by piece. None: nothing.
            headers: Headers besides the API's own, or in their place.
            timeout: Seconds for the whole exchange.

        Returns:
            The response's JSON; an empty dict for an empty body.

        Raises:
            LMError: the provider refuses, or cannot be reached.
        """
        url = self.target.url(path)
        try:
            response = await self._transport.request(method, url, {**self._headers, **(headers or {})}, body, timeout)
            if response.status not in (200, 201, 204):
                raise self._wire.error(response)
            return _json(response.body)
        except LMError as error:
            raise self._without_key(error, url) from None

    async def upload(self, path: str, fields: Mapping[str, str], filename: str, lines: Sequence[bytes]) -> Any:
        """Post a form with a file, piece by piece, with retries. Returns and raises as `send`.

        Args:
            path: The path under the API's base.
            fields: The form's text fields, by name.
            filename: The name of the file.
            lines: The file's lines, each with its line break.
        """
        form = file_form(fields, filename)
        headers = form.headers(sum(map(len, lines)))

        async def pieces() -> AsyncIterator[bytes]:
            yield form.head
            for start in range(0, len(lines), _LINES_A_PIECE):
                yield b"".join(lines[start : start + _LINES_A_PIECE])
            yield form.tail

        return await with_retries(
            lambda _: self.send("POST", path, pieces(), headers=headers, timeout=_FILE_TIMEOUT_SECONDS), _RETRIES
        )

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """Yield the lines of a file as they come in, without empty ones.

        Raises:
            LMError: the provider refuses, cannot be reached, or sends a line longer than `MAX_RESPONSE_BYTES`.
        """
        url = self.target.url(path)
        rest = b""
        try:
            async with self._transport.download(url, self._headers, _FILE_TIMEOUT_SECONDS) as response:
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
            raise self._without_key(error, url) from None
        if rest.strip():
            yield rest

    def _without_key(self, error: LMError, url: str) -> LMError:
        """`error` with the address in its message, and without the key if the provider echoed it."""
        where = f"{url}: " if url not in error.message else ""
        scrubbed = type(error)(
            scrub(where + error.message, self._key),
            model=self.target.model,
            status=error.status,
            retry_after=error.retry_after,
        )
        scrubbed.provider_code, scrubbed.request_id = error.provider_code, error.request_id
        return scrubbed


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LMUnexpectedError(f"The answer is not JSON ({error})") from None
