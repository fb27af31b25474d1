"""Answers that no client should have to bear: each is named, or waited out, and none is taken for the model's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.raw_server import Asked, Behaviour, RawServer, answer, completion, raw_server, refusing, saying

import dspex
from dspex.clients.http import transport
from dspex.clients.resilience import retry
from dspex.errors import (
    ContextWindowExceededError,
    FailureKind,
    LMAuthError,
    LMError,
    LMInvalidRequestError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedModelError,
    classify,
)
from dspex.settings import context
from dspex.store import Store

KEY = "sk-hostile-0123456789"
HTML = "Content-Type: text/html\r\n"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    url = f"sqlite:///{tmp_path}/store.db"
    with context(store=url):
        yield
        Store.open(url).close()


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nap(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(retry, "rest", nap)


@pytest.fixture
async def model() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


def lm_at(model: RawServer, **options: Any) -> dspex.LM:
    return dspex.LM("openai/m", api_base=model.url, **{"api_key": KEY, "num_retries": 2, **options})


async def failure(model: RawServer, **options: Any) -> LMError:
    with pytest.raises(LMError) as caught:
        await lm_at(model, **options).acall("hi")
    return caught.value


def raw(content: bytes, then_hang: bool = False) -> Behaviour:
    """Send these bytes, whatever they are, and hang up."""

    async def behave(asked: Asked) -> None:
        asked.writer.write(content)
        await asked.writer.drain()
        if then_hang:
            await asyncio.Event().wait()
        asked.writer.close()

    return behave


async def reset(asked: Asked) -> None:
    """Break the connection in the middle of an answer, as a crashed server's machine does."""
    asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await asked.writer.drain()
    asked.writer.transport.abort()


async def dribble(asked: Asked) -> None:
    """A slow loris: a byte now and then, for ever, so that no single wait is long."""
    asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        asked.writer.write(b"1\r\n \r\n")
        await asked.writer.drain()
        await asyncio.sleep(0.01)


async def flood(asked: Asked) -> None:
    """An answer without an end."""
    asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    while True:
        asked.writer.write(b" " * 65536)
        await asked.writer.drain()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, LMAuthError), (403, LMAuthError), (404, LMUnsupportedModelError), (400, LMInvalidRequestError)],
)
async def test_refusals_come_at_once_by_name_and_in_the_providers_words(
    model: RawServer, status: int, kind: type[LMError]
) -> None:
    model.behaviour = refusing(status, "the moon is in the wrong house")
    error = await failure(model)
    assert type(error) is kind
    assert error.status == status
    assert "the moon is in the wrong house" in str(error)
    assert model.url in str(error)
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        refusing(400, "nope", code="context_length_exceeded"),
        refusing(400, "This model's maximum context length is 8192 tokens. You asked for 9000."),
        refusing(413, "prompt is too long: 210000 tokens > 200000 maximum"),
    ],
)
async def test_prompt_that_is_too_long_has_an_error_of_its_own(model: RawServer, reply: Behaviour) -> None:
    model.behaviour = reply
    error = await failure(model)
    assert type(error) is ContextWindowExceededError
    assert classify(error) is FailureKind.PROGRAM
    assert len(model.requests) == 1


NOT_ANSWERS = {
    "empty": saying(200, b""),
    "cut": saying(200, completion()[:-20]),
    "no json": saying(200, b"ok"),
    "another json": saying(200, b'["fine"]'),
    "no choices": saying(200, b'{"choices": []}'),
    "wrong shape": saying(200, b'{"choices": "many"}'),
    "null": saying(200, b"null"),
    "not text": saying(200, bytes(range(256))),
    "a proxy's page": saying(200, b"<html><body>Please log in</body></html>", HTML),
    "an error with status 200": saying(200, b'{"error": {"message": "upstream fell over"}}'),
    "deeply nested": saying(200, b"[" * 100_000),
}


@pytest.mark.parametrize("reply", NOT_ANSWERS.values(), ids=NOT_ANSWERS)
async def test_what_is_no_answer_is_asked_for_again_and_never_kept(model: RawServer, reply: Behaviour) -> None:
    model.behaviour = reply
    error = await failure(model)
    assert type(error) is LMUnexpectedError
    assert classify(error) is FailureKind.INFRASTRUCTURE
    assert len(str(error)) < 2000
    assert len(model.requests) == 3
    model.behaviour = answer
    assert await lm_at(model).acall("hi") == ["fine"]


@pytest.mark.parametrize("status", [502, 503, 504, 520, 529])
async def test_gateways_pages_are_waited_out(model: RawServer, status: int) -> None:
    model.script = [saying(status, b"<html><h1>Bad gateway</h1></html>", HTML)] * 2
    assert await lm_at(model).acall("hi") == ["fine"]
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        raw(b""),
        reset,
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
    ],
    ids=["hangs up", "resets", "cuts off"],
)
async def test_broken_connections_are_tried_again(model: RawServer, reply: Behaviour) -> None:
    model.script = [reply, reply]
    assert await lm_at(model).acall("hi") == ["fine"]
    model.behaviour = reply
    assert type(await failure(model, cache=False)) is LMTransportError


BAD_CHUNKS = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


@pytest.mark.parametrize("reply", [raw(b"SSH-2.0-OpenSSH_9.6\r\n"), raw(b"\x00\x01\x02\r\n\r\n"), BAD_CHUNKS])
async def test_server_of_another_protocol_is_named_so(model: RawServer, reply: Behaviour) -> None:
    model.behaviour = reply
    error = await failure(model)
    assert isinstance(error, LMUnexpectedError | LMTransportError)
    assert model.url in str(error)


@pytest.mark.parametrize("reply", [dribble, raw(b"HTTP/1.1 200 OK\r\n", then_hang=True), raw(b"", then_hang=True)])
async def test_deadline_counts_the_whole_answer(model: RawServer, reply: Behaviour) -> None:
    model.behaviour = reply
    error = await failure(model, num_retries=0, timeout=0.2)
    assert type(error) is LMTimeoutError
    assert "no whole answer within 0.2 s" in str(error)


async def test_answer_without_an_end_is_given_up_by_its_size(model: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_RESPONSE_BYTES", 1 << 20)
    model.behaviour = flood
    error = await failure(model, num_retries=0)
    assert "more than 1 MiB" in str(error)


async def test_length_that_is_a_lie_is_given_up_by_its_size(model: RawServer) -> None:
    model.behaviour = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{", then_hang=True)
    assert type(await failure(model, num_retries=0, timeout=0.2)) in (LMTransportError, LMTimeoutError)


async def test_redirect_is_not_followed_with_the_key(model: RawServer) -> None:
    async with raw_server() as elsewhere:
        model.behaviour = saying(307, b"", f"Location: {elsewhere.url}/chat/completions\r\n")
        error = await failure(model)
    assert type(error) is LMUnsupportedModelError
    assert f"moved to {elsewhere.url}" in str(error)
    assert elsewhere.requests == []
    assert len(model.requests) == 1


async def test_key_may_end_in_a_line_break_as_in_a_file(model: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", f"{KEY}\n")
    assert await lm_at(model, api_key=None, api_key_env="A_KEY").acall("hi") == ["fine"]
    assert model.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_key_that_no_header_can_hold_is_named_without_it(model: RawServer) -> None:
    error = await failure(model, api_key=f"{KEY}\r\nX-Other: 1")
    assert classify(error) is FailureKind.SETUP
    assert "line break" in str(error)
    assert KEY not in str(error)
    assert model.requests == []
