"""Networks as they are: certificates of one's own, proxies, names that nobody knows."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from integration.certificates import self_signed
from integration.raw_server import Asked, RawServer, answer, raw_server, saying

import dspex
from dspex.clients.http.aiohttp_transport import AiohttpTransport
from dspex.clients.http.proxies import proxy_for
from dspex.errors import FailureKind, LMConfigurationError, LMError, LMTransportError, classify
from dspex.settings import context
from dspex.store import Store

KEY = "sk-hostile-0123456789"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    url = f"sqlite:///{tmp_path}/store.db"
    with context(store=url):
        yield
        Store.open(url).close()


@pytest.fixture
async def fresh() -> AsyncIterator[AiohttpTransport]:
    """A transport that has not read the environment yet."""
    made = AiohttpTransport()
    yield made
    await made.close()


def lm_for(url: str, transport: AiohttpTransport, **options: Any) -> dspex.LM:
    return dspex.LM("openai/m", api_base=url, transport=transport, cache=False, **{"api_key": KEY, **options})


async def failure(lm: dspex.LM) -> LMError:
    with pytest.raises(LMError) as caught:
        await lm.acall("hi")
    return caught.value


# TLS


async def test_untrusted_certificate_is_named_and_so_is_the_way_out(fresh: AiohttpTransport, tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    async with raw_server(tls=tls) as model:
        error = await failure(lm_for(model.url, fresh))
    assert classify(error) is FailureKind.SETUP
    assert "self-signed certificate" in str(error)
    assert "SSL_CERT_FILE=" in str(error)


async def test_certificate_of_the_named_file_is_trusted(
    fresh: AiohttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, file = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with raw_server(tls=tls) as model:
        assert await lm_for(model.url, fresh).acall("hi") == ["fine"]


async def test_expired_certificate_is_named(
    fresh: AiohttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, file = self_signed(tmp_path, days=-1)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with raw_server(tls=tls) as model:
        assert "expired" in str(await failure(lm_for(model.url, fresh)))


async def test_file_of_certificates_that_is_not_there_is_named(
    fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    error = await failure(lm_for("https://127.0.0.1:9/v1", fresh))
    assert isinstance(error, LMConfigurationError)
    assert "SSL_CERT_FILE=/nowhere/ca.pem" in str(error)


async def test_plain_server_at_an_https_address_is_named(fresh: AiohttpTransport) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(lm_for(f"https://127.0.0.1:{port}/v1", fresh))
    server.close()
    assert isinstance(error, LMConfigurationError)
    assert "does not speak TLS" in str(error)


# Proxies


@asynccontextmanager
async def proxy(refusal: int | None = None) -> AsyncIterator[RawServer]:
    """A proxy that opens tunnels (`CONNECT`), or answers itself what it is asked in plain HTTP."""

    async def behave(asked: Asked) -> None:
        if refusal is not None:
            await asked.reply(refusal, b"")
        elif asked.line.startswith("CONNECT"):
            await _tunnel(asked)
        else:
            await answer(asked)

    async with raw_server(behave) as server:
        yield server


async def _tunnel(asked: Asked) -> None:
    host, _, port = asked.line.split()[1].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    asked.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_pour(asked.reader, writer), _pour(reader, asked.writer))


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        target.write(piece)
        await target.drain()
    target.close()


async def test_plain_calls_go_through_the_proxy(fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as through:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@127.0.0.1:{through.port}")
        assert await lm_for("http://far-away.test/v1", fresh).acall("hi") == ["fine"]
    (asked,) = through.requests
    assert asked.line == "POST http://far-away.test/v1/chat/completions HTTP/1.1"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert base64.b64decode(asked.headers["proxy-authorization"].split()[1]) == b"user:p@ss"


async def test_encrypted_calls_go_through_a_tunnel_that_does_not_see_the_key(
    fresh: AiohttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, file = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with raw_server(tls=tls) as model, proxy() as through:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{through.port}")
        assert await lm_for(model.url, fresh).acall("hi") == ["fine"]
        assert [asked.line for asked in through.requests] == [f"CONNECT 127.0.0.1:{model.port} HTTP/1.1"]
        assert KEY not in str(through.requests)
        await fresh.close()


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "elsewhere.test,127.0.0.1"])
async def test_no_proxy_is_respected(fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    async with raw_server() as model, proxy() as through:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{through.port}")
        monkeypatch.setenv("NO_PROXY", excepted)
        assert await lm_for(model.url, fresh).acall("hi") == ["fine"]
    assert through.requests == []


async def test_proxy_that_refuses_is_named(
    fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with proxy(refusal=407) as through:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:s3cret-pass@127.0.0.1:{through.port}")
        error = await failure(lm_for("https://far-away.test/v1", fresh))
    assert classify(error) is FailureKind.SETUP
    assert f"through the proxy http://127.0.0.1:{through.port}" in str(error)
    assert "407" in str(error)
    assert "s3cret-pass" not in str(error)


async def test_proxy_that_is_not_there_is_named(fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    error = await failure(lm_for("https://far-away.test/v1", fresh, num_retries=0))
    assert type(error) is LMTransportError
    assert "through the proxy http://127.0.0.1:9" in str(error)


async def test_proxy_of_another_kind_is_refused(fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:s3cret-pass@127.0.0.1:1080")
    error = await failure(lm_for("https://far-away.test/v1", fresh))
    assert isinstance(error, LMConfigurationError)
    assert "HttpxTransport" in str(error)
    assert "s3cret-pass" not in str(error)


async def test_netrc_never_answers_for_the_key(
    fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine far-away.test login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with proxy() as through:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{through.port}")
        await lm_for("http://far-away.test/v1", fresh, api_key=None).acall("hi")
    assert "authorization" not in through.requests[0].headers


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.test/v1", None),
        ({"HTTPS_PROXY": "proxy.test:3128"}, "https://api.test/v1", "http://proxy.test:3128"),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, "http://api.test/v1", None),
        ({"ALL_PROXY": "http://proxy.test"}, "http://api.test/v1", "http://proxy.test"),
        ({"ALL_PROXY": "http://proxy.test", "NO_PROXY": ".test"}, "http://api.test/v1", None),
        ({"ALL_PROXY": "http://proxy.test", "NO_PROXY": "api.test:8000"}, "http://api.test:8000/v1", None),
        ({"ALL_PROXY": "http://[::1]:3128"}, "http://api.test/v1", "http://[::1]:3128"),
    ],
)
def test_proxies_are_read_as_curl_reads_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(url)
    assert (found.url if found else None) == proxy


# Names


async def test_host_that_nobody_knows_is_named(fresh: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await failure(lm_for("http://no-such-host.test/v1", fresh, num_retries=0))
    assert type(error) is LMTransportError
    assert "the host no-such-host.test cannot be found (DNS)" in str(error)


async def test_address_that_cannot_be_called_is_refused_at_once(fresh: AiohttpTransport) -> None:
    error = await failure(lm_for("http://127.0.0.1:notaport/v1", fresh))
    assert isinstance(error, LMConfigurationError)


async def test_answer_in_another_encoding_is_read(fresh: AiohttpTransport) -> None:
    body = '{"choices": [{"message": {"content": "caf\u00e9"}}]}'.encode()
    async with raw_server(saying(200, body, "Content-Type: text/plain; charset=latin-1\r\n")) as model:
        assert await lm_for(model.url, fresh).acall("hi") == ["café"]
