"""The client over real HTTP and a real ledger: a server on loopback, a store in a file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from support.waiting import until

from dspex import settings as configuration
from dspex.clients import LM, drain
from dspex.clients.http import transport
from dspex.clients.http.transport import HttpxTransport
from dspex.clients.resilience import retry
from dspex.errors import (
    LMAuthError,
    LMError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)
from dspex.store import Store

KEY = "sk-integration-0123456789"
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Provider:
    """A server whose answers a test scripts: each of `script` once, then `answer` for ever."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    script: list[Reply] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.authorizations.append(request.headers.get("Authorization"))
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self.released.wait()
            return await (self.script.pop(0) if self.script else answer)(request)
        finally:
            self.open_now -= 1


async def answer(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    text = f"answer to {asked['messages'][-1]['content']}"
    choices = [{"index": i, "message": {"role": "assistant", "content": text}} for i in range(asked.get("n", 1))]
    return web.json_response({"model": asked["model"], "choices": choices, "usage": {"prompt_tokens": 7}})


def status(code: int, text: str = "no", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": text}}, status=code, headers=named)

    return reply


def body(content: bytes, content_type: str = "application/json") -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=content_type)

    return reply


async def cut(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent, then hang up."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def never_ending(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 65536)
            await asyncio.sleep(0)
    except ConnectionError:
        return response


async def compressed(request: web.Request) -> web.StreamResponse:
    response = await answer(request)
    assert isinstance(response, web.Response)
    response.enable_compression(web.ContentCoding.gzip)
    return response


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    made.released.set()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    assert site._server is not None
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture(autouse=True)
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    url = f"sqlite:///{tmp_path}/store.db"
    with configuration.context(store=url):
        yield url
        Store.open(url).close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []

    async def nap(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(retry, "rest", nap)
    return taken


def lm_at(provider: Provider, **options: Any) -> LM:
    return LM("openai/gpt-4o-mini", api_base=provider.url, **{"api_key": KEY, **options})


async def test_call_over_the_wire(provider: Provider) -> None:
    assert await lm_at(provider).acall("hi", n=2, temperature=0.3) == ["answer to hi"] * 2
    assert provider.requests == [
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "n": 2, "temperature": 0.3}
    ]
    assert provider.authorizations == [f"Bearer {KEY}"]


async def test_key_comes_from_the_named_variable(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-named")
    await lm_at(provider, api_key=None, api_key_env="MY_KEY").acall("hi")
    await lm_at(provider, api_key=None).acall("ho")
    assert provider.authorizations == ["Bearer sk-named", None]


async def test_ledger_answers_after_the_store_is_opened_anew(provider: Provider, store_url: str) -> None:
    await lm_at(provider).acall("hi")
    Store.open(store_url).close()
    assert await lm_at(provider).acall("hi") == ["answer to hi"]
    assert len(provider.requests) == 1


async def test_hundred_identical_calls_at_once_are_one_request(provider: Provider) -> None:
    lm = lm_at(provider)
    assert await asyncio.gather(*[lm.acall("hi") for _ in range(100)]) == [["answer to hi"]] * 100
    assert len(provider.requests) == 1


async def test_two_owners_of_claims_pay_once(
    provider: Provider, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stores on one database stand for two processes."""
    others = [Store(store_url), Store(store_url)]
    turns = iter([store.ledger for store in others])
    monkeypatch.setattr("dspex.clients.prepare.current_ledger", lambda: next(turns))
    monkeypatch.setattr("dspex.clients.calls.pipeline.loop_traffic", _NoSharing())
    answers: list[Any] = list(await asyncio.gather(lm_at(provider).acall("hi"), lm_at(provider).acall("hi")))
    for store in others:
        store.close()
    assert answers == [["answer to hi"]] * 2
    assert len(provider.requests) == 1


class _NoSharing:
    """Traffic of which no two calls know: as if each were made in a process of its own."""

    def get(self) -> Any:
        from dspex.clients.calls.traffic import LoopTraffic

        return LoopTraffic()


async def test_cancelled_caller_finds_its_answer_in_the_ledger(provider: Provider) -> None:
    provider.released.clear()
    lm = lm_at(provider)
    waiter = asyncio.create_task(lm.acall("hi"))
    await until(lambda: bool(provider.requests))
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    provider.released.set()
    await drain()
    assert await lm.acall("hi") == ["answer to hi"]
    assert len(provider.requests) == 1


async def test_hundreds_of_connections_at_once(provider: Provider) -> None:
    provider.released.clear()
    lm = lm_at(provider, max_concurrency=400, cache=False)
    calls = [asyncio.create_task(lm.acall(f"question {i}")) for i in range(400)]
    await until(lambda: provider.open_now == 400)
    provider.released.set()
    answers = await asyncio.gather(*calls)
    assert answers == [[f"answer to question {i}"] for i in range(400)]


@pytest.mark.parametrize(
    ("reply", "kind", "tries"),
    [
        (status(401), LMAuthError, 1),
        (status(404), LMUnsupportedModelError, 1),
        (status(307, Location="http://elsewhere.test/"), LMUnsupportedModelError, 1),
        (status(429), LMRateLimitError, 3),
        (status(500), LMServerError, 3),
        (cut, LMTransportError, 3),
        (body(b""), LMUnexpectedError, 3),
        (body(b'{"choices": ['), LMUnexpectedError, 3),
        (body(b"<html>login</html>", "text/html"), LMUnexpectedError, 3),
    ],
)
async def test_trouble_has_a_name(
    provider: Provider, naps: list[float], reply: Reply, kind: type[LMError], tries: int
) -> None:
    provider.script = [reply] * tries
    with pytest.raises(LMError) as caught:
        await lm_at(provider, num_retries=2).acall("hi")
    assert type(caught.value) is kind
    assert len(provider.requests) == tries
    assert await lm_at(provider).acall("hi") == ["answer to hi"]  # the failed call left no claim


async def test_refused_calls_come_back_after_the_pause(provider: Provider) -> None:
    """Real waits, but of milliseconds: the provider says so."""
    provider.script = [status(429, retry_after_ms="20")] * 5
    lm = lm_at(provider, num_retries=6)
    answers = await asyncio.gather(*[lm.acall(f"question {i}") for i in range(20)])
    assert answers == [[f"answer to question {i}"] for i in range(20)]
    assert len(provider.requests) == 25


async def test_answer_that_never_ends_is_bounded_in_time(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.clients.http.transport.MAX_RESPONSE_BYTES", 1 << 50)
    provider.script = [never_ending]
    with pytest.raises(LMTimeoutError):
        await lm_at(provider, num_retries=0, timeout=0.2).acall("hi")


async def test_answer_that_never_ends_is_bounded_in_size(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.clients.http.transport.MAX_RESPONSE_BYTES", 1 << 20)
    provider.script = [never_ending]
    with pytest.raises(LMTransportError, match="MiB"):
        await lm_at(provider, num_retries=0).acall("hi")


async def test_compressed_answer_is_understood(provider: Provider) -> None:
    provider.script = [compressed]
    assert await lm_at(provider).acall("hi") == ["answer to hi"]


async def test_server_that_is_not_there() -> None:
    with pytest.raises(LMTransportError, match=r"127\.0\.0\.1:9"):
        await LM("openai/x", api_base="http://127.0.0.1:9/v1", num_retries=0).acall("hi")


async def test_httpx_client_of_the_users_own(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    async with httpx.AsyncClient() as client:
        lm = lm_at(provider, transport=HttpxTransport(client), num_retries=0)
        assert await lm.acall("hi") == ["answer to hi"]
        provider.script = [cut]
        with pytest.raises(LMTransportError):
            await lm.acall("ho")
        monkeypatch.setattr(transport, "MAX_RESPONSE_BYTES", 1 << 20)
        provider.script = [never_ending]
        with pytest.raises(LMTransportError, match="MiB"):
            await lm.acall("hu")


async def test_proxy_of_the_environment_is_used(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.clients.http.aiohttp_transport import AiohttpTransport

    monkeypatch.setenv("HTTP_PROXY", provider.url.removesuffix("/v1"))
    fresh = AiohttpTransport()
    lm = LM("openai/x", api_base="http://far-away.test/v1", transport=fresh, cache=False)
    assert await lm.acall("hi") == ["answer to hi"]
    await fresh.close()


SCRIPT = """
import asyncio, sys
from dspex.clients import LM
lm = LM("openai/x", api_base=sys.argv[1])
print(lm("sync"))                                  # on the engine's loop, which nobody closes
for i in range(2):
    print(asyncio.run(lm.acall(f"loop {i}")))      # on loops that end
loop = asyncio.new_event_loop()                    # on a loop that ends without a word
print(loop.run_until_complete(lm.acall("rough")))
loop.close()
print(lm("again"))
"""


async def test_process_ends_without_a_warning(provider: Provider, store_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "always::ResourceWarning",
        "-c",
        SCRIPT,
        provider.url,
        env={**os.environ, "DSPEX_STORE": store_url, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    assert err.decode() == ""
    asked = ("sync", "loop 0", "loop 1", "rough", "again")
    assert out.decode().split("\n")[:-1] == [f"['answer to {one}']" for one in asked]
