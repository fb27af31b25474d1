"""What may happen to an answer on its way, in every format: what comes over the socket, and what the counters say."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from practice_clients import anthropic_at, gemini_at, openai_at

from dspex_practice import PracticeOptions, PracticeServer

ASKED = [{"role": "user", "content": "What is red? The bus is red."}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "What is red? The bus is red."}]}]}
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "chat": ("/v1/chat/completions", {"model": "m", "messages": ASKED}, {}),
    "chat stream": ("/v1/chat/completions", {"model": "m", "messages": ASKED, "stream": True}, {}),
    "responses": ("/v1/responses", {"model": "m", "input": "What is red? The bus is red."}, {}),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": "hi"}, {}),
    "messages": ("/v1/messages", {"model": "m", "max_tokens": 50, "messages": ASKED}, {"anthropic-version": "1"}),
    "messages stream": (
        "/v1/messages",
        {"model": "m", "max_tokens": 50, "messages": ASKED, "stream": True},
        {"anthropic-version": "1"},
    ),
    "gemini": ("/v1beta/models/m:generateContent", CONTENTS, {}),
    "gemini stream": ("/v1beta/models/m:streamGenerateContent?alt=sse", CONTENTS, {}),
}
every_format = pytest.mark.parametrize("call", CALLS)


@contextmanager
def calling(server: PracticeServer, name: str) -> Iterator[http.client.HTTPResponse]:
    path, body, headers = CALLS[name]
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("POST", path, json.dumps(body), headers)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def answer_with(name: str, **options: Any) -> tuple[int, Mapping[str, str], bytes, dict[str, Any]]:
    with PracticeServer(PracticeOptions(**options)) as server:
        with calling(server, name) as response:
            body = response.read()
        return response.status, response.headers, body, server.stats()


@every_format
def test_an_empty_answer_is_a_success_without_a_body(call: str) -> None:
    status, _, body, stats = answer_with(call, empty_rate=1)
    assert (status, body) == (200, b"")
    assert (stats["calls"], stats["answered"], stats["refused"], stats["errors"]) == (1, 0, 0, {"empty": 1})


@every_format
def test_a_truncated_answer_looks_whole(call: str) -> None:
    _, _, whole, _ = answer_with(call)
    status, headers, body, stats = answer_with(call, truncated_rate=1)
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    assert whole.startswith(body)
    assert len(body) == len(whole) // 2
    assert (stats["answered"], stats["errors"]) == (0, {"truncated": 1})


@every_format
def test_an_answer_of_the_wrong_type_is_a_page(call: str) -> None:
    status, headers, body, stats = answer_with(call, wrong_type_rate=1)
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b"sign in" in body
    assert stats["errors"] == {"wrong type": 1}


@every_format
def test_a_cut_answer_is_less_than_was_promised(call: str) -> None:
    with PracticeServer(PracticeOptions(cut_rate=1)) as server:
        with calling(server, call) as response, pytest.raises(http.client.IncompleteRead):
            response.read()
        assert server.stats()["errors"] == {"cut": 1}


@every_format
def test_a_dripped_answer_is_whole_in_the_end(call: str) -> None:
    _, _, whole, _ = answer_with(call)
    status, _, body, stats = answer_with(call, drip_rate=1, drip_seconds=0)
    assert (status, body) == (200, whole)
    assert (stats["answered"], stats["errors"]) == (1, {"drip": 1})


@every_format
def test_an_answer_without_an_end_goes_on_until_the_caller_leaves(call: str) -> None:
    _, _, whole, _ = answer_with(call)
    with PracticeServer(PracticeOptions(endless_rate=1)) as server:
        with calling(server, call) as response:
            body = response.read(len(whole) + 50_000)
        assert len(body) == len(whole) + 50_000
        stats = server.stats()
    assert (stats["answered"], stats["errors"]) == (0, {"endless": 1})
    if "stream" in call:
        assert body.count(b"The bus is red.") > 10


def test_openais_client_meets_them() -> None:
    messages: Any = ASKED
    with PracticeServer(PracticeOptions(truncated_rate=1)) as truncating, pytest.raises(json.JSONDecodeError):
        openai_at(truncating).chat.completions.create(model="m", messages=messages)
    with PracticeServer(PracticeOptions(cut_rate=1)) as cutting, pytest.raises(openai.APIConnectionError):
        openai_at(cutting).chat.completions.create(model="m", messages=messages)
    with (
        PracticeServer(PracticeOptions(drip_rate=1, drip_seconds=30)) as dripping,
        pytest.raises(openai.APITimeoutError),
    ):
        openai_at(dripping, timeout=0.3).chat.completions.create(model="m", messages=messages)


def test_anthropics_client_meets_them() -> None:
    messages: Any = ASKED
    with PracticeServer(PracticeOptions(cut_rate=1)) as cutting, pytest.raises(anthropic.APIConnectionError):
        anthropic_at(cutting).messages.create(model="m", max_tokens=5, messages=messages)
    with (
        PracticeServer(PracticeOptions(drip_rate=1, drip_seconds=30)) as slow,
        pytest.raises(anthropic.APITimeoutError),
    ):
        anthropic_at(slow, timeout=0.3).messages.create(model="m", max_tokens=5, messages=messages)


def test_googles_client_meets_them() -> None:
    with PracticeServer(PracticeOptions(truncated_rate=1)) as truncating, pytest.raises(json.JSONDecodeError):
        client = gemini_at(truncating)
        client.models.generate_content(model="m", contents="hi")
    with PracticeServer(PracticeOptions(cut_rate=1)) as cutting, pytest.raises(Exception, match="closed"):
        client = gemini_at(cutting)
        client.models.generate_content(model="m", contents="hi")


@pytest.mark.parametrize("call", ["chat", "responses", "messages", "gemini"])
def test_a_malformed_answer_is_a_good_response(call: str) -> None:
    status, _, body, stats = answer_with(call, malformed_rate=1)
    assert status == 200
    assert "told to get the format wrong" in body.decode()
    assert (stats["answered"], stats["errors"]) == (1, {"malformed": 1})


def test_a_tokens_limit_refuses_what_is_over_it_in_any_format() -> None:
    with PracticeServer(PracticeOptions(tpm=60)) as limited:
        statuses = []
        for name in ("chat", "messages", "gemini"):
            with calling(limited, name) as response:
                statuses.append(response.status)
        stats = limited.stats()
    assert statuses == [200, 429, 429]
    assert (stats["refused"], stats["errors"]) == (2, {"429 tpm": 2})


def test_what_a_limit_refuses_is_counted_for_its_endpoint() -> None:
    with PracticeServer(PracticeOptions(rpm=1)) as limited:
        for name in ("chat", "embeddings", "chat"):
            with calling(limited, name):
                pass
        stats = limited.stats()
    assert (stats["calls"], stats["answered"], stats["refused"]) == (3, 1, 2)
    refused = {name: counts["refused"] for name, counts in stats["endpoints"].items()}
    assert refused == {"chat/completions": 1, "embeddings": 1}
    assert stats["errors"] == {"429 rpm": 2}
