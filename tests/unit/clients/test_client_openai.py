"""OpenAI's wire format: what is sent, what is understood, what its errors mean."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from client_fakes import completion, response
from pydantic import BaseModel

from dspex.clients.canonical.answer import Answer, outputs
from dspex.clients.wires.openai.chat import OPENAI_CHAT, OPENAI_TEXT
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
    LMUnsupportedModelError,
    may_pass,
)

MESSAGES = [{"role": "user", "content": "hi"}]


def sent(**params: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(OPENAI_CHAT.encode("m", MESSAGES, params).body)
    return body


def test_only_parameters_of_the_request_are_sent() -> None:
    mine = {"rollout_id": 3, "cache": True, "num_retries": 2, "timeout": 5, "api_key": "k", "extra_headers": {"a": "b"}}
    body = sent(temperature=0.5, max_tokens=None, n=2, extra_body={"top_k": 4}, **mine)
    assert body == {"model": "m", "messages": MESSAGES, "temperature": 0.5, "n": 2, "top_k": 4}


def test_response_format_may_be_a_pydantic_class() -> None:
    class Out(BaseModel):
        answer: int

    sent_format = sent(response_format=Out)["response_format"]
    assert sent_format["json_schema"]["schema"]["properties"] == {"answer": {"title": "Answer", "type": "integer"}}


def test_text_completions_are_sent_as_one_prompt() -> None:
    body = json.loads(OPENAI_TEXT.encode("m", [{"role": "system", "content": "a"}, *MESSAGES], {}).body)
    assert body == {"model": "m", "prompt": "a\n\nhi\n\nBEGIN RESPONSE:"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "bad field"}}, LMInvalidRequestError),
        (400, {"error": {"message": "no", "code": "context_length_exceeded"}}, ContextWindowExceededError),
        (400, {"error": {"message": "maximum context length is 8192 tokens"}}, ContextWindowExceededError),
        (400, {"error": {"message": "no", "code": "model_not_found"}}, LMUnsupportedModelError),
        (401, {"error": {"message": "wrong key"}}, LMAuthError),
        (402, {"error": "pay"}, LMBillingError),
        (403, {"detail": "not yours"}, LMAuthError),
        (404, {"error": {"message": "no such model"}}, LMUnsupportedModelError),
        (408, b"", LMTimeoutError),
        (422, {"detail": [{"msg": "bad"}]}, LMInvalidRequestError),
        (429, {"error": {"message": "slow down"}}, LMRateLimitError),
        (429, {"error": {"message": "no credit", "code": "insufficient_quota"}}, LMBillingError),
        (500, b"<html>oops</html>", LMServerError),
        (503, {"message": "overloaded"}, LMServerError),
        (307, b"", LMUnsupportedModelError),
        (204, b"", LMUnexpectedError),
    ],
)
def test_statuses_are_named(status: int, body: Any, kind: type[LMError]) -> None:
    error = OPENAI_CHAT.error(response(status, body))
    assert type(error) is kind
    assert error.status == status


def test_error_is_in_the_providers_own_words() -> None:
    assert "you have no quota" in str(OPENAI_CHAT.error(response(400, {"error": {"message": "you have no quota"}})))
    assert "<html>oops" in str(OPENAI_CHAT.error(response(502, b"<html>oops</html>")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        orjson.dumps(completion())[:-20],
        b"<html>hello</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"index": 0}]}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": "hi"}]}',
        b'{"error": {"message": "internal"}}',
    ],
)
def test_what_is_no_answer_may_be_asked_again(body: bytes) -> None:
    with pytest.raises(LMUnexpectedError) as caught:
        OPENAI_CHAT.decode(body)
    assert may_pass(caught.value)


def test_error_in_a_success_has_the_meaning_of_its_code() -> None:
    with pytest.raises(LMRateLimitError):
        OPENAI_CHAT.decode(b'{"error": {"message": "slow", "code": 429}}')


def test_answer_reads_like_an_sdks_object() -> None:
    answer = OPENAI_CHAT.decode(orjson.dumps(completion("hello")))
    assert answer.choices[0].message.content == "hello"
    assert answer["usage"]["prompt_tokens"] == answer.usage.prompt_tokens == 10
    with pytest.raises(AttributeError, match="nothing"):
        _ = answer.nothing


def test_outputs_are_strings_where_there_is_only_text() -> None:
    two = {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}
    assert outputs(Answer(two)) == ["a", "b"]


def test_empty_answer_is_the_models_own() -> None:
    assert outputs(Answer(completion(None))) == [""]


def test_outputs_are_dicts_where_there_is_more() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert outputs(Answer(completion(None, tool_calls=calls))) == [{"text": None, "tool_calls": calls}]
    assert outputs(Answer(completion("a", reasoning_content="b"))) == [{"text": "a", "reasoning_content": "b"}]
    assert outputs(Answer(completion("a")), logprobs=True) == [{"text": "a", "logprobs": None}]


def test_content_in_parts_is_joined() -> None:
    assert outputs(Answer(completion([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))) == ["ab"]  # type: ignore[arg-type]
