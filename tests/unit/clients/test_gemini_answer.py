"""What Gemini answers, whole or in pieces, and what its errors mean: read as its own SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import FakeTransport, response
from sdk_server import event_stream

import dspex
from dspex import errors
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.gemini.errors import A_DAYS_QUOTA_SECONDS
from dspex.clients.wires.gemini.generate_content import GEMINI

genai = pytest.importorskip("google.genai")
types = genai.types

USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 8,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "toolUsePromptTokenCount": 2,
    "totalTokenCount": 30,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 14}, {"modality": "AUDIO", "tokenCount": 6}],
}
THOUGHT = {"text": "Let me see.", "thought": True}
CALL = {"functionCall": {"name": "look", "args": {"at": "map"}}, "thoughtSignature": "c2ln"}
GROUNDING = {
    "groundingChunks": [{"web": {"uri": "https://x.test", "title": "X"}}],
    "groundingSupports": [
        {"segment": {"startIndex": 0, "endIndex": 5, "text": "It is"}, "groundingChunkIndices": [0]},
    ],
}
LOGPROBS = {
    "chosenCandidates": [{"token": "It", "logProbability": -0.5}],
    "topCandidates": [{"candidates": [{"token": "It", "logProbability": -0.5}, {"token": "Is", "logProbability": -2}]}],
}
RESPONSE = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [THOUGHT, {"text": "It is "}, {"text": "in Paris."}, CALL]},
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": GROUNDING,
            "logprobsResult": LOGPROBS,
        },
        {"content": {"role": "model", "parts": [{"text": "Elsewhere."}]}, "finishReason": "MAX_TOKENS", "index": 1},
    ],
    "usageMetadata": USAGE,
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}


def decoded(answer: dict[str, Any]) -> Any:
    return GEMINI.decode(json.dumps(answer).encode())


def test_answer_says_what_the_sdk_reads_in_it() -> None:
    theirs = types.GenerateContentResponse.model_validate(RESPONSE)
    ours = decoded(RESPONSE)
    first, second = ours.choices
    parts = theirs.candidates[0].content.parts
    assert first.message.content == "".join(part.text for part in parts if part.text and not part.thought)
    assert first.message.reasoning_content == "Let me see."
    (call,) = first.message.tool_calls
    assert call.function.name == theirs.function_calls[0].name
    assert json.loads(call.function.arguments) == theirs.function_calls[0].args
    assert call["provider_specific_fields"] == {"thought_signature": "c2ln"}
    assert call["id"] == "r1_0_0"
    assert (first.finish_reason, second.finish_reason) == ("tool_calls", "length")
    assert second.message.content == "Elsewhere."
    assert (ours.model, ours.id) == (theirs.model_version, theirs.response_id)


def test_thoughts_are_among_the_tokens_of_the_answer() -> None:
    assert decoded(RESPONSE)["usage"] == {
        "prompt_tokens": 22,
        "completion_tokens": 8,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_sources_are_annotations_and_citations() -> None:
    message = decoded(RESPONSE).choices[0].message
    where = {"url": "https://x.test", "title": "X"}
    assert message["annotations"] == [
        {"type": "url_citation", "url_citation": {**where, "start_index": 0, "end_index": 5}}
    ]
    assert message["provider_specific_fields"]["citations"] == [[{"type": "citation", "text": "It is", **where}]]


def test_probabilities_have_openais_shape() -> None:
    (token,) = decoded(RESPONSE).choices[0]["logprobs"]["content"]
    assert (token["token"], token["logprob"]) == ("It", -0.5)
    assert [(other["token"], other["logprob"]) for other in token["top_logprobs"]] == [("It", -0.5), ("Is", -2)]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
    ],
)
def test_ends_have_openais_names(theirs: str, ours: str) -> None:
    (choice,) = decoded({"candidates": [{"finishReason": theirs}]}).choices
    assert (choice.finish_reason, choice.message.content) == (ours, "")


def test_blocked_prompt_is_an_error_with_its_reason() -> None:
    with pytest.raises(errors.LMInvalidRequestError, match="SAFETY"):
        decoded({"promptFeedback": {"blockReason": "SAFETY"}})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"{}", b'{"candidates": []}'])
def test_what_holds_no_candidate_is_no_answer(body: bytes) -> None:
    with pytest.raises(errors.LMUnexpectedError):
        GEMINI.decode(body)


# Streams


class Shown:
    def __init__(self) -> None:
        self.chunks: list[Any] = []

    async def send(self, chunk: Any) -> None:
        self.chunks.append(chunk)


def piece(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1", "usageMetadata": USAGE}


async def streamed(make_lm: Callable[..., Any], *events: dict[str, Any]) -> tuple[Any, list[Any], str]:
    transport = FakeTransport(response(body=event_stream(*events), Content_Type="text/event-stream"))
    lm = make_lm(transport, "gemini/gemini-2.5-flash", num_retries=0)
    shown = Shown()
    with dspex.context(send_stream=shown):
        answer = await lm.aforward("hi")
    return answer, shown.chunks, transport.sent[0][0]


@pytest.mark.asyncio
async def test_stream_is_the_whole_answer_in_pieces(make_lm: Callable[..., Any]) -> None:
    events = [
        piece({"text": "Let me ", "thought": True}),
        piece({"text": "see.", "thought": True}),
        piece({"text": "It is "}),
        piece({"text": "in Paris."}, CALL, finishReason="STOP", groundingMetadata=GROUNDING, logprobsResult=LOGPROBS),
    ]
    answer, chunks, url = await streamed(make_lm, *events)
    assert url.endswith("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    whole = decoded({**RESPONSE, "candidates": RESPONSE["candidates"][:1]})
    ours, theirs = answer.choices[0], whole.choices[0]
    assert answer["usage"] == whole["usage"]
    assert ours.finish_reason == theirs.finish_reason
    for name in ("content", "reasoning_content", "tool_calls", "annotations", "provider_specific_fields"):
        assert ours["message"][name] == theirs["message"][name], name
    assert ours["logprobs"] == theirs["logprobs"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is in Paris."


@pytest.mark.asyncio
async def test_calls_in_two_pieces_are_two_calls(make_lm: Callable[..., Any]) -> None:
    answer, _, _ = await streamed(make_lm, piece(CALL), piece(CALL, finishReason="STOP"))
    assert [call["id"] for call in answer.choices[0]["message"]["tool_calls"]] == ["r1_0_0", "r1_0_1"]


@pytest.mark.asyncio
async def test_stream_that_breaks_off_or_fails_is_no_answer(make_lm: Callable[..., Any]) -> None:
    with pytest.raises(errors.LMTransportError, match="ended before"):
        await streamed(make_lm, piece({"text": "It"}))
    failed = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded"}}
    with pytest.raises(errors.LMServerError, match="Overloaded"):
        await streamed(make_lm, failed)
    with pytest.raises(errors.LMInvalidRequestError, match="BLOCKLIST"):
        await streamed(make_lm, {"promptFeedback": {"blockReason": "BLOCKLIST"}})


# Errors


def error(code: int, status: str, words: str = "No.", details: Any = None) -> errors.LMError:
    return GEMINI.error(
        response(code, {"error": {"code": code, "status": status, "message": words, "details": details}})
    )


TOO_LONG = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("code", "status", "words", "meaning"),
    [
        (400, "INVALID_ARGUMENT", "Unknown name", errors.LMInvalidRequestError),
        (400, "INVALID_ARGUMENT", TOO_LONG, errors.ContextWindowExceededError),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", errors.LMAuthError),
        (400, "FAILED_PRECONDITION", "Not supported without a billing account linked.", errors.LMBillingError),
        (401, "UNAUTHENTICATED", "No.", errors.LMAuthError),
        (403, "PERMISSION_DENIED", "No.", errors.LMAuthError),
        (404, "NOT_FOUND", "models/x is not found", errors.LMUnsupportedModelError),
        (429, "RESOURCE_EXHAUSTED", QUOTA, errors.LMRateLimitError),
        (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", errors.LMBillingError),
        (500, "INTERNAL", "No.", errors.LMServerError),
        (503, "UNAVAILABLE", "Overloaded", errors.LMServerError),
        (504, "DEADLINE_EXCEEDED", "No.", errors.LMTimeoutError),
    ],
)
def test_errors_have_their_names_and_words(code: int, status: str, words: str, meaning: type[errors.LMError]) -> None:
    told = error(code, status, words)
    assert type(told) is meaning
    assert words in told.message
    assert (told.status, told.provider_code) == (code, status)


def test_delay_that_is_asked_for_is_waited() -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    assert error(429, "RESOURCE_EXHAUSTED", QUOTA, [retry]).retry_after == 34.5
    daily = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    assert error(429, "RESOURCE_EXHAUSTED", QUOTA, [daily, retry]).retry_after == A_DAYS_QUOTA_SECONDS


def test_reason_of_a_refused_key_is_known() -> None:
    assert type(error(400, "INVALID_ARGUMENT", "Nope.", [{"reason": "API_KEY_INVALID"}])) is errors.LMAuthError


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (502, b"<html>Bad Gateway</html>", errors.LMServerError),
        (401, b"", errors.LMAuthError),
        (404, b'[{"error": {"code": 404, "status": "NOT_FOUND", "message": "no"}}]', errors.LMUnsupportedModelError),
        (302, b"", errors.LMUnsupportedModelError),
    ],
)
def test_errors_of_proxies_are_known_by_status(status: int, body: bytes, meaning: type[errors.LMError]) -> None:
    assert type(GEMINI.error(RawResponse(status, {}, body))) is meaning
