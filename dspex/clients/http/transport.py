"""The seam between the client and the network: post bytes, get a whole answer.

The client needs no more of HTTP than this, so a test, a proxy with its own rules or another HTTP library plugs in here
(``LM(..., transport=HttpxTransport(client))``).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dspex.errors import LMTimeoutError, LMTransportError

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""An answer longer than this is refused: it is no answer of a language model."""

CONNECT_SECONDS = 10.0
"""How long to wait for a connection, within the time allowed for the whole call."""


Body = bytes | AsyncIterable[bytes]
"""What is sent: as a whole, or piece by piece (with its length among the headers)."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A whole answer, with any status. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class OpenResponse:
    """An answer that is coming in: its `pieces` are bytes, cut anywhere."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Transport(Protocol):
    """Anything that can post a request and wait for the whole answer."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        """Post `body` and return the answer, also one with an error status.

        Args:
            url: The whole address.
            headers: The headers of the request, with the key among them.
            body: The request.
            timeout: Seconds for the whole exchange.

        Raises:
            LMTimeoutError: there was no whole answer in time.
            LMTransportError: the connection failed, or the answer was cut off or too long.
        """
        ...


@runtime_checkable
class StreamingTransport(Transport, Protocol):
    """A transport that can also give an answer as it comes in. With one that cannot, it comes in one piece."""

    def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AbstractAsyncContextManager[OpenResponse]:
        """Post `body`; inside the block the answer is read. Raises as `post` does, there and while it is read."""
        ...


@runtime_checkable
class RequestingTransport(Transport, Protocol):
    """A transport that also speaks the other methods of HTTP: for the parts of an API that are no LM calls."""

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> RawResponse:
        """Send a request and return the answer, also one with an error status. Raises as `post` does."""
        ...


@runtime_checkable
class FileTransport(RequestingTransport, Protocol):
    """A transport that can also fetch files too long to be held in memory."""

    def download(
        self, url: str, headers: Mapping[str, str], timeout: float
    ) -> AbstractAsyncContextManager[OpenResponse]:
        """Get a file, however long; inside the block it is read as it comes in. Raises as `post` does."""
        ...


class HttpxTransport:
    """Send through a user's `httpx.AsyncClient`: its proxies, certificates and event hooks apply.

    The client belongs to the caller, who closes it, and to one event loop.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        """Post `body` and return the answer, as `Transport.post` says."""
        return await self.request("POST", url, headers, body, timeout)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> RawResponse:
        """Send a request and return the answer, also one with an error status.

        Args:
            method: "GET", "POST", ...
            url: The whole address.
            headers: The headers of the request.
            body: What to send, as a whole or piece by piece. None: nothing.
            timeout: Seconds for the whole exchange.

        Raises:
            LMTimeoutError: there was no whole answer in time.
            LMTransportError: the connection failed, or the answer was cut off or longer than `MAX_RESPONSE_BYTES`.
        """
        import asyncio

        import httpx

        try:
            async with asyncio.timeout(timeout):
                return await self._request(method, url, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            raise LMTimeoutError(f"{url} gave no whole answer within {timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise LMTransportError(f"{url}: {type(error).__name__}: {error}") from None

    async def _request(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> RawResponse:
        async with self.client.stream(method, url, headers=dict(headers), content=body, timeout=None) as response:
            pieces = [piece async for piece in within_limit(response.aiter_bytes(), url)]
            return RawResponse(response.status_code, response.headers, b"".join(pieces))

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AsyncIterator[OpenResponse]:
        """Post `body`; inside the block the answer is read as it comes in. Arguments and errors: see `request`."""
        async with self._open("POST", url, headers, body, timeout) as answer:
            yield OpenResponse(answer.status, answer.headers, within_limit(answer.pieces, url))

    @asynccontextmanager
    async def download(self, url: str, headers: Mapping[str, str], timeout: float) -> AsyncIterator[OpenResponse]:
        """Get a file of any length; inside the block it is read as it comes in. Arguments and errors: see `request`."""
        async with self._open("GET", url, headers, None, timeout) as answer:
            yield answer

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> AsyncIterator[OpenResponse]:
        import asyncio

        import httpx

        sent: dict[str, Any] = {"headers": dict(headers), "content": body, "timeout": None}
        try:
            async with asyncio.timeout(timeout), self.client.stream(method, url, **sent) as response:
                yield OpenResponse(response.status_code, response.headers, response.aiter_bytes())
        except (TimeoutError, httpx.TimeoutException):
            raise LMTimeoutError(f"{url} gave no whole answer within {timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise LMTransportError(f"{url}: {type(error).__name__}: {error}") from None


async def within_limit(pieces: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    """Yield `pieces` as they come, up to `MAX_RESPONSE_BYTES` together.

    Args:
        pieces: The bytes of an answer, cut anywhere.
        url: Where the answer comes from, for the message.

    Raises:
        LMTransportError: there are more bytes than that.
    """
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > MAX_RESPONSE_BYTES:
            raise too_long(url)
        yield piece


def too_long(url: str) -> LMTransportError:
    """Build the error for an answer of `url` that is longer than `MAX_RESPONSE_BYTES`."""
    return LMTransportError(f"{url} answered more than {MAX_RESPONSE_BYTES >> 20} MiB: the answer was dropped")
