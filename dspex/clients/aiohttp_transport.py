"""The default transport: aiohttp's connection pool, one session for each event loop.

aiohttp costs 0.2 ms of CPU a call at any number of connections; httpx's own pool scans all its connections at every
request and costs 8 ms at 64 of them (DESIGN §4). What a call does not need is switched off: cookies, redirects,
response compression, environment look-ups.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.request import getproxies

import aiohttp
from yarl import URL

from dspex.clients.loops import PerLoop
from dspex.clients.transport import (
    CONNECT_SECONDS,
    MAX_RESPONSE_BYTES,
    Body,
    OpenResponse,
    RawResponse,
    within_limit,
)
from dspex.errors import LMError, LMTimeoutError, LMTransportError

_KEEP_ALIVE_SECONDS = 30.0
_DNS_SECONDS = 300


class AiohttpTransport:
    """Hundreds of kept-alive connections a loop, with no limit of its own: the client's limiter is the limit.

    ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` are respected when a proxy is set as the first call is made.
    """

    def __init__(self) -> None:
        self._pools = PerLoop(_Pool, _Pool.abandon)
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        return await self.request("POST", url, headers, body, timeout)

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> RawResponse:
        """As `post`, for what is no LM and is asked with GET."""
        return await self.request("GET", url, headers, None, timeout)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> RawResponse:
        session = self._pools.get().session or await self._pools.get().open()
        limit = self._timeout(timeout)
        try:
            async with session.request(
                method, self._url(url), data=body, headers=headers, timeout=limit, allow_redirects=False
            ) as response:
                return RawResponse(response.status, response.headers, await _read(response, url))
        # The causes are cut off (`from None`): aiohttp's exceptions carry the request's headers, and so the key.
        except (aiohttp.ClientError, OSError) as error:
            raise _explained(error, url, timeout) from None

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AsyncIterator[OpenResponse]:
        session = self._pools.get().session or await self._pools.get().open()
        try:
            async with session.post(
                self._url(url), data=body, headers=headers, timeout=self._timeout(timeout), allow_redirects=False
            ) as response:
                pieces = within_limit(response.content.iter_any(), url)
                yield OpenResponse(response.status, response.headers, pieces)
        except (aiohttp.ClientError, OSError) as error:
            raise _explained(error, url, timeout) from None

    @asynccontextmanager
    async def download(self, url: str, headers: Mapping[str, str], timeout: float) -> AsyncIterator[OpenResponse]:
        """Get a file, however long; inside the block it is read as it comes in."""
        session = self._pools.get().session or await self._pools.get().open()
        limit = self._timeout(timeout)
        try:
            async with session.get(self._url(url), headers=headers, timeout=limit, allow_redirects=False) as response:
                yield OpenResponse(response.status, response.headers, response.content.iter_any())
        except (aiohttp.ClientError, OSError) as error:
            raise _explained(error, url, timeout) from None

    async def close(self) -> None:
        """Close the running loop's connections."""
        pool = self._pools.pop(asyncio.get_running_loop())
        if pool is not None:
            await pool.close()

    def _url(self, url: str) -> URL:
        return self._urls.get(url) or self._urls.setdefault(url, URL(url))

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        known = self._timeouts.get(seconds)
        if known is None:
            known = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
            self._timeouts[seconds] = known
        return known


class _Pool:
    """One loop's session. It closes with the loop, which tells its asynchronous generators that it is going."""

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession | None = None
        self._life: AsyncGenerator[aiohttp.ClientSession, None] | None = None

    async def open(self) -> aiohttp.ClientSession:
        self._life = _session_life()
        self.session = await anext(self._life)
        return self.session

    async def close(self) -> None:
        self.session = None
        if self._life is not None:
            await self._life.aclose()

    def abandon(self) -> None:
        """The loop was closed without a word: nothing can be sent on it any more, so only forget, without a warning."""
        if self.session is not None and not self.session.closed:
            self.session.detach()


async def _session_life() -> AsyncGenerator[aiohttp.ClientSession, None]:
    """A session that lives until its loop shuts down its asynchronous generators, as `asyncio.run` does at its end."""
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=_DNS_SECONDS, keepalive_timeout=_KEEP_ALIVE_SECONDS)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
        trust_env=bool(set(getproxies()) - {"no"}),
    )
    try:
        yield session
    finally:
        await session.close()


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    """The whole body, refused as soon as it is known to be too long."""
    length = response.content_length
    if length is not None and length <= MAX_RESPONSE_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    return b"".join([piece async for piece in within_limit(response.content.iter_any(), url)])


def _explained(error: Exception, url: str, timeout: float) -> LMError:
    if isinstance(error, TimeoutError):
        return LMTimeoutError(f"{url} gave no whole answer within {timeout:g} s")
    if isinstance(error, aiohttp.InvalidURL):
        return LMTransportError(f"{url} is not a URL that can be called")
    return LMTransportError(f"{url}: {type(error).__name__}: {error}")


_default = AiohttpTransport()


def default_transport() -> AiohttpTransport:
    """The transport that all LMs of this process share, unless they were given their own."""
    return _default


def _close_at_exit() -> None:
    """Close the pools of loops that still run in other threads (the engine's): no warning at the interpreter's end."""
    for loop, pool in _default._pools.items():
        if loop.is_running():
            done = asyncio.run_coroutine_threadsafe(pool.close(), loop)
            try:
                done.result(timeout=1.0)
            except TimeoutError:
                pool.abandon()
        else:
            pool.abandon()


def _forget_in_child() -> None:
    """A forked child shares its parent's sockets: it must neither use nor close them."""
    global _default
    _inherited.append(_default)
    _default = AiohttpTransport()


_inherited: list[AiohttpTransport] = []
atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
