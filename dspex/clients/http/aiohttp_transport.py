"""The default transport: aiohttp's connection pool, one session for each event loop.

aiohttp costs 0.2 ms of CPU a call at any number of connections; httpx's own pool scans all its connections at every
request and costs 8 ms at 64 of them. What a call does not need is switched off: cookies, redirects,
response compression, environment look-ups.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from dspex.clients.http.connection_errors import explained
from dspex.clients.http.proxies import proxy_for
from dspex.clients.http.transport import (
    CONNECT_SECONDS,
    MAX_RESPONSE_BYTES,
    Body,
    OpenResponse,
    RawResponse,
    within_limit,
)
from dspex.errors import LMConfigurationError
from dspex.per_loop import PerLoop

_KEEP_ALIVE_SECONDS = 30.0
_DNS_SECONDS = 300
_ROUTES_KEPT = 1024


class AiohttpTransport:
    """The default transport: hundreds of kept-alive connections a loop, limited only by the client's own limiter.

    ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are respected as they are when an address is called
    for the first time, and ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` as they are when an event loop makes its first call.
    """

    def __init__(self) -> None:
        self._pools = PerLoop(_Pool, _Pool.abandon)
        self._routes: dict[str, _Route] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        """Post `body` and return the answer, as `dspex.clients.http.transport.Transport.post` says."""
        return await self.request("POST", url, headers, body, timeout)

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> RawResponse:
        """Send a GET request, to servers that are not LMs. Arguments and errors are those of `request`."""
        return await self.request("GET", url, headers, None, timeout)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> RawResponse:
        """Send a request and return the answer, also one with an error status.

        Args:
            method: "GET", "POST", ...
            url: The whole address. Redirects are not followed.
            headers: The headers of the request.
            body: What to send, as a whole or piece by piece. None: nothing.
            timeout: Seconds for the whole exchange.

        Raises:
            LMTimeoutError: there was no whole answer in time.
            LMTransportError: the connection failed, or the answer was cut off or longer than `MAX_RESPONSE_BYTES`.
        """
        session = self._pools.get().session or await self._pools.get().open()
        route = self._route(url)
        try:
            async with self._sent(session, method, route, headers, body, timeout) as response:
                return RawResponse(response.status, response.headers, await _read(response, url))
        # The causes are cut off (`from None`): aiohttp's exceptions carry the request's headers, and so the key.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explained(error, url, timeout, through=route.proxy) from None

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AsyncIterator[OpenResponse]:
        """Post `body`; inside the block the answer is read as it comes in. Arguments and errors: see `request`."""
        async with self._open("POST", url, headers, body, timeout) as response:
            pieces = within_limit(response.content.iter_any(), url)
            yield OpenResponse(response.status, response.headers, pieces)

    @asynccontextmanager
    async def download(self, url: str, headers: Mapping[str, str], timeout: float) -> AsyncIterator[OpenResponse]:
        """Get a file of any length; inside the block it is read as it comes in. Arguments and errors: see `request`."""
        async with self._open("GET", url, headers, None, timeout) as response:
            yield OpenResponse(response.status, response.headers, response.content.iter_any())

    async def close(self) -> None:
        """Close the running loop's connections."""
        pool = self._pools.pop(asyncio.get_running_loop())
        if pool is not None:
            await pool.close()

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; the response is read inside the block. Failures are `LMError`s, as in `request`."""
        session = self._pools.get().session or await self._pools.get().open()
        route, answered = self._route(url), False
        try:
            async with self._sent(session, method, route, headers, body, timeout) as response:
                answered = True
                yield response
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if answered and not isinstance(error, aiohttp.ClientError | OSError):
                raise  # of the reader's own
            raise explained(error, url, timeout, through=route.proxy) from None

    def _sent(
        self,
        session: aiohttp.ClientSession,
        method: str,
        route: _Route,
        headers: Mapping[str, str],
        body: Body | None,
        timeout: float,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return session.request(
            method,
            route.url,
            data=body,
            headers=route.headers(headers),
            timeout=self._timeout(timeout),
            allow_redirects=False,
            proxy=route.proxy,
            proxy_headers=route.proxy_headers,
        )

    def _route(self, url: str) -> _Route:
        known = self._routes.get(url)
        if known is None:
            if len(self._routes) >= _ROUTES_KEPT:
                self._routes.clear()
            known = self._routes[url] = _route_to(url)
        return known

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        known = self._timeouts.get(seconds)
        if known is None:
            known = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
            self._timeouts[seconds] = known
        return known


@dataclass(frozen=True, slots=True)
class _Route:
    """An address as aiohttp wants it, and the proxy to go through."""

    url: URL
    proxy: URL | None = None
    proxy_headers: Mapping[str, str] | None = field(default=None, repr=False)
    """The login at the proxy."""

    def headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """With those for the proxy, where it reads the request itself; aiohttp sends them to open a tunnel only."""
        if self.proxy_headers is None or self.url.scheme == "https":
            return headers
        return {**headers, **self.proxy_headers}


def _route_to(url: str) -> _Route:
    try:
        proxy, target = proxy_for(url), URL(url)
    except ValueError:
        raise LMConfigurationError(f"{url} is not a URL that can be called") from None
    if proxy is None:
        return _Route(target)
    if proxy.user is None:
        return _Route(target, URL(proxy.url))
    login = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    return _Route(target, URL(proxy.url), {"Proxy-Authorization": f"Basic {login}"})


class _Pool:
    """One loop's session. It closes with the loop, which finalizes its asynchronous generators."""

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
    connector = aiohttp.TCPConnector(
        limit=0, ttl_dns_cache=_DNS_SECONDS, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=_trusted()
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
    )
    try:
        yield session
    finally:
        await session.close()


def _trusted() -> ssl.SSLContext | bool:
    """Who signs the certificates that are trusted: those of the file or folder that the environment names, or else of
    the system. aiohttp itself reads the environment when it is imported, which may be before it is set.

    Raises:
        LMConfigurationError: there is nothing of the kind in that place.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder:
        return True
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        named = f"SSL_CERT_FILE={file}" if file else f"SSL_CERT_DIR={folder}"
        raise LMConfigurationError(f"{named} holds no certificates that can be read ({error})") from None


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    """The whole body, refused as soon as it is known to be too long."""
    length = response.content_length
    if length is not None and length <= MAX_RESPONSE_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    return b"".join([piece async for piece in within_limit(response.content.iter_any(), url)])


_default = AiohttpTransport()


def default_transport() -> AiohttpTransport:
    """Return the transport that all LMs of this process share, unless they were given their own."""
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
