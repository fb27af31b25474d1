"""The seam between the client and the network: post bytes, get a whole answer.

The client needs no more of HTTP than this, so a test, a proxy with its own rules or another HTTP library plugs in here
(``LM(..., transport=HttpxTransport(client))``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dspex.errors import LMTimeoutError, LMTransportError

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""An answer longer than this is refused: it is no answer of a language model."""

CONNECT_SECONDS = 10.0
"""How long to wait for a connection, within the time allowed for the whole call."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """What came back, whatever its status. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Anything that can post a request and wait for the whole answer."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        """Post `body` and return the answer, also one with an error status.

        Raises:
            LMTimeoutError: no whole answer within `timeout` seconds.
            LMTransportError: the connection failed, or the answer was cut or too long.
        """
        ...


class HttpxTransport:
    """Send through an `httpx.AsyncClient` of the user's own: its proxies, certificates and event hooks apply.

    The client belongs to the caller, who closes it, and to one event loop.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        import asyncio

        import httpx

        try:
            async with asyncio.timeout(timeout):
                return await self._post(url, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            raise LMTimeoutError(f"{url} gave no whole answer within {timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise LMTransportError(f"{url}: {type(error).__name__}: {error}") from None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> RawResponse:
        chunks, size = [], 0
        async with self.client.stream("POST", url, headers=dict(headers), content=body, timeout=None) as response:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > MAX_RESPONSE_BYTES:
                    raise too_long(url)
                chunks.append(chunk)
            return RawResponse(response.status_code, response.headers, b"".join(chunks))


def too_long(url: str) -> LMTransportError:
    return LMTransportError(f"{url} answered more than {MAX_RESPONSE_BYTES >> 20} MiB: the answer was dropped")
