"""What Anthropic answers, whole or in pieces, and what its errors mean: read as its own SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import FakeTransport, response
from sdk_server import event_stream, serving

import dspex
from dspex import errors
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.anthropic.messages import ANTHROPIC

anthropic = pytest.importorskip("anthropic")

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 4},
    "service_tier": "standard",
}
CITATION = {
    "type": "char_location",
    "cited_text": "in Paris",
    "document_index": 0,
    "document_title": "T",
    "start_char_index": 0,
    "end_char_index": 8,
}
BLOCKS = [
    {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
    {"type": "text", "text": "It is "},
    {"type": "text", "text": "in Paris.", "citations": [CITATION]},
    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "map"}},
]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5",
    "content": BLOCKS,
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}
START = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
EVENTS = [
    {"type": "message_start", "message": START},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "It is "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "in Paris."}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": CITATION}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"at":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ' "map"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


def decoded(message: dict[str, Any]) -> Any:
    return ANTHROPIC.decode(json.dumps(message).encode())


def test_answer_says_what_the_sdk_reads_in_it() -> None:
    theirs = anthropic.types.Message.model_validate(MESSAGE)
    ours = decoded(MESSAGE)
    message = ours.choices[0].message
    assert message.content == "".join(block.text for block in theirs.content if block.type == "text")
    assert message.reasoning_content == "Let me see."
    assert message["thinking_blocks"] == [BLOCKS[0]]
    assert json.loads(message.tool_calls[0].function.arguments) == theirs.content[3].input
    assert (message.tool_calls[0].id, message.tool_calls[0].function.name) == ("toolu_1", "look")
    assert ours.choices[0].finish_reason == "tool_calls"
    (group,) = message["provider_specific_fields"]["citations"]
    assert group[0]["cited_text"] == theirs.content[2].citations[0].cited_text
    assert group[0]["supported_text"] == "in Paris."


def test_tokens_of_the_cache_are_among_the_prompts() -> None:
    assert decoded(MESSAGE)["usage"] == {
        "prompt_tokens": 240,
        "completion_tokens": 7,
        "total_tokens": 247,
        "prompt_tokens_details": {
            "cached_tokens": 200,
            "cache_creation_tokens": 30,
            "cache_creation_token_details": USAGE["cache_creation"],
        },
        "completion_tokens_details": {"reasoning_tokens": 4},
        "service_tier": "standard",
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"), ("stop_sequence", "stop")],
)
def test_ends_have_openais_names(theirs: str, ours: str) -> None:
    assert decoded({**MESSAGE, "stop_reason": theirs}).choices[0].finish_reason == ours


def test_empty_answer_is_an_empty_text() -> None:
    assert decoded({**MESSAGE, "content": []}).choices[0].message.content == ""


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"{}", b'{"type": "message"}'])
def test_what_is_no_message_is_no_answer(body: bytes) -> None:
    with pytest.raises(errors.LMUnexpectedError):
        ANTHROPIC.decode(body)


# Streams


class Shown:
    def __init__(self) -> None:
        self.chunks: list[Any] = []

    async def send(self, chunk: Any) -> None:
        self.chunks.append(chunk)


async def streamed(make_lm: Callable[..., Any], *events: dict[str, Any]) -> tuple[Any, list[Any]]:
    transport = FakeTransport(response(body=event_stream(*events), Content_Type="text/event-stream"))
    lm = make_lm(transport, "anthropic/claude-opus-5", num_retries=0)
    shown = Shown()
    with dspex.context(send_stream=shown):
        answer = await lm.aforward("hi")
    assert transport.bodies()[0]["stream"] is True
    return answer, shown.chunks


@pytest.mark.asyncio
async def test_stream_is_the_answer_that_the_sdk_puts_together(make_lm: Callable[..., Any]) -> None:
    with serving(event_stream(*EVENTS), "text/event-stream") as listening:
        client = anthropic.Anthropic(api_key="k", base_url=listening.url)
        with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
            whole = decoded(json.loads(stream.get_final_message().to_json()))
    answer, chunks = await streamed(make_lm, *EVENTS)
    ours, theirs = answer.choices[0].message, whole.choices[0].message
    assert (ours.content, ours.reasoning_content) == (theirs.content, theirs.reasoning_content)
    assert json.loads(ours.tool_calls[0].function.arguments) == {"at": "map"}
    assert ours["thinking_blocks"] == theirs["thinking_blocks"]
    assert answer["usage"] == whole["usage"]
    assert answer.choices[0].finish_reason == whole.choices[0].finish_reason
    assert ours["provider_specific_fields"]["citations"] == [[CITATION]]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is in Paris."


@pytest.mark.asyncio
async def test_stream_that_breaks_off_is_no_answer(make_lm: Callable[..., Any]) -> None:
    with pytest.raises(errors.LMTransportError, match="ended before"):
        await streamed(make_lm, *EVENTS[:9])


@pytest.mark.asyncio
async def test_error_in_a_stream_is_what_it_says(make_lm: Callable[..., Any]) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(errors.LMServerError, match="Overloaded") as caught:
        await streamed(make_lm, EVENTS[0], overloaded)
    assert caught.value.provider_code == "overloaded_error"


@pytest.mark.asyncio
async def test_answer_of_a_stream_is_found_in_the_ledger(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport(response(body=event_stream(*EVENTS), Content_Type="text/event-stream"))
    lm = make_lm(transport, "anthropic/claude-opus-5")
    with dspex.context(send_stream=Shown()):
        first = await lm.aforward("hi")
    again = await lm.aforward("hi")
    assert again.cache_hit
    assert (again, len(transport.sent)) == (first, 1)


# Errors


def error(status: int, kind: str, words: str = "No.", **headers: str) -> errors.LMError:
    body = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}
    return ANTHROPIC.error(response(status, body, **headers))


@pytest.mark.parametrize(
    ("status", "kind", "words", "meaning"),
    [
        (400, "invalid_request_error", "messages: empty", errors.LMInvalidRequestError),
        (400, "invalid_request_error", "prompt is too long: 3 tokens > 2 maximum", errors.ContextWindowExceededError),
        (400, "invalid_request_error", "Your credit balance is too low to access it", errors.LMBillingError),
        (401, "authentication_error", "invalid x-api-key", errors.LMAuthError),
        (402, "billing_error", "No.", errors.LMBillingError),
        (403, "permission_error", "No.", errors.LMAuthError),
        (404, "not_found_error", "model: x", errors.LMUnsupportedModelError),
        (409, "conflict_error", "No.", errors.LMServerError),
        (413, "request_too_large", "No.", errors.ContextWindowExceededError),
        (429, "rate_limit_error", "No.", errors.LMRateLimitError),
        (500, "api_error", "No.", errors.LMServerError),
        (504, "timeout_error", "No.", errors.LMTimeoutError),
        (529, "overloaded_error", "Overloaded", errors.LMServerError),
        (418, "teapot_error", "No.", errors.LMInvalidRequestError),
    ],
)
def test_errors_have_their_names_and_words(status: int, kind: str, words: str, meaning: type[errors.LMError]) -> None:
    told = error(status, kind, words, Retry_After="7")
    assert type(told) is meaning
    assert words in told.message
    assert (told.status, told.provider_code, told.request_id, told.retry_after) == (status, kind, "req_1", 7.0)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (502, b"<html>Bad Gateway</html>", errors.LMServerError),
        (401, b"", errors.LMAuthError),
        (429, b'"slow down"', errors.LMRateLimitError),
        (400, b'{"error": "no"}', errors.LMInvalidRequestError),
        (301, b"", errors.LMUnsupportedModelError),
    ],
)
def test_errors_of_proxies_are_known_by_status(status: int, body: bytes, meaning: type[errors.LMError]) -> None:
    assert type(ANTHROPIC.error(RawResponse(status, {}, body))) is meaning
