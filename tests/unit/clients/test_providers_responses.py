"""OpenAI's Responses API: requests that its SDK's types know, and answers that it reads in the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pydantic
import pytest
from client_fakes import FakeTransport, response
from sdk_server import event_stream

import dspex
from dspex import errors
from dspex.clients.canonical.prompt import Prefix, Prompt
from dspex.clients.wires.openai.responses import OPENAI_RESPONSES, responses_outputs

openai = pytest.importorskip("openai")
types = openai.types.responses

REQUEST = pydantic.TypeAdapter(types.response_create_params.ResponseCreateParamsNonStreaming)
URL = "https://api.openai.com/v1/responses"
PNG = "data:image/png;base64,AAAA"
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}}
SAID = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "name": "ann",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PNG}},
            {"type": "file", "file": {"file_data": PNG, "filename": "a.pdf"}},
            {"type": "file", "file": {"file_data": "https://x.test/a.pdf"}},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    {"role": "assistant", "content": "A cat."},
    {"role": "user", "content": "Sure?"},
]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


class Answer(pydantic.BaseModel):
    reasoning: str
    answer: int


def body(messages: list[dict[str, Any]], **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(OPENAI_RESPONSES.encode("gpt-5", messages, params).body)
    return found


def walk(value: Any) -> None:
    """Read all of `value`: pydantic checks what is in an iterable only then."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for one in value:
            walk(one)


def test_sdks_types_know_all_that_is_sent() -> None:
    sent = body(
        SAID,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look"}},
        parallel_tool_calls=False,
        response_format=Answer,
        reasoning_effort="low",
        max_tokens=100,
        temperature=1.0,
        logprobs=True,
        top_logprobs=2,
        verbosity="low",
    )
    walk(REQUEST.validate_python(sent))
    assert [item.get("role") or item["type"] for item in sent["input"]] == [
        "system",
        "user",
        "function_call",
        "function_call_output",
        "assistant",
        "user",
    ]
    assert sent["input"][1]["content"][1:] == [
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_file", "file_data": PNG, "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x.test/a.pdf"},
    ]
    assert "name" not in sent["input"][1]
    assert sent["tools"] == [{"type": "function", "strict": False, **TOOL["function"]}]
    assert list(sent["text"]["format"]["schema"]["properties"]) == ["reasoning", "answer"]
    assert sent["text"]["verbosity"] == "low"
    assert sent["reasoning"] == {"effort": "low", "summary": "auto"}
    assert sent["include"] == ["message.output_text.logprobs"]
    assert not {"logprobs", "verbosity", "messages", "max_tokens"} & set(sent)


def test_prompt_and_plain_list_are_the_same_request() -> None:
    for cut in range(len(SAID) + 1):
        as_prompt = OPENAI_RESPONSES.encode("m", Prompt(Prefix(SAID[:cut]), SAID[cut:]), {"temperature": 1})
        as_list = OPENAI_RESPONSES.encode("m", list(SAID), {"temperature": 1})
        assert (as_prompt.body, as_prompt.key(URL)) == (as_list.body, as_list.key(URL))


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5",
    "status": "completed",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "It is here.",
                    "annotations": [],
                    "logprobs": [{"token": "It", "logprob": -0.5, "bytes": [], "top_logprobs": []}],
                }
            ],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": '{"at": "a"}'},
    ],
    "usage": {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 8,
    },
}


def test_answer_says_what_the_sdk_reads_in_it() -> None:
    theirs = types.Response.model_validate(RESPONSE)
    (output,) = responses_outputs(OPENAI_RESPONSES.decode(json.dumps(RESPONSE).encode()))
    assert output["text"] == theirs.output_text
    assert output["reasoning_content"] == theirs.output[0].summary[0].text
    assert output["tool_calls"] == [
        {"type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}, "id": "c1"}
    ]
    assert output["logprobs"]["content"][0]["token"] == "It"


class Shown:
    def __init__(self) -> None:
        self.chunks: list[Any] = []

    async def send(self, chunk: Any) -> None:
        self.chunks.append(chunk)


async def streamed(make_lm: Callable[..., Any], *events: dict[str, Any]) -> tuple[Any, list[Any]]:
    transport = FakeTransport(response(body=event_stream(*events), Content_Type="text/event-stream"))
    shown = Shown()
    lm = make_lm(transport, "openai/gpt-5", model_type="responses", num_retries=0)
    with dspex.context(send_stream=shown):
        answer = await lm.aforward("hi")
    assert transport.bodies()[0]["stream"] is True
    return answer, shown.chunks


BEGUN = {"type": "response.created", "response": {**RESPONSE, "output": [], "status": "in_progress"}}


@pytest.mark.asyncio
async def test_stream_shows_chunks_and_ends_with_the_whole_answer(make_lm: Callable[..., Any]) -> None:
    answer, chunks = await streamed(
        make_lm,
        BEGUN,
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Hm."},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "It is "},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "here."},
        {"type": "response.output_item.added", "output_index": 2, "item": {**RESPONSE["output"][2], "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"at": "a"}'},
        {"type": "response.completed", "response": RESPONSE},
    )
    assert answer == RESPONSE
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "It is here."
    assert "".join(delta.reasoning_content or "" for delta in deltas) == "Hm."
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert calls[0]["function"]["name"] == "look"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"at": "a"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.asyncio
async def test_stream_that_fails_says_why(make_lm: Callable[..., Any]) -> None:
    failed = {**RESPONSE, "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}}
    with pytest.raises(errors.LMRateLimitError, match="Slow down"):
        await streamed(make_lm, BEGUN, {"type": "response.failed", "response": failed})
    with pytest.raises(errors.LMServerError, match="Oops"):
        await streamed(make_lm, BEGUN, {"type": "error", "code": "server_error", "message": "Oops."})
    with pytest.raises(errors.LMTransportError, match="ended before"):
        await streamed(make_lm, BEGUN)


@pytest.mark.asyncio
async def test_several_answers_are_as_many_calls(make_lm: Callable[..., Any]) -> None:
    texts = ("a", "b")
    answers = [json.loads(json.dumps(RESPONSE).replace("It is here.", text)) for text in texts]
    transport = FakeTransport(*(response(body=answer) for answer in answers))
    found = await make_lm(transport, "openai/gpt-5", model_type="responses").acall("hi", n=2)
    assert [output["text"] for output in found] == ["a", "b"]
    assert len(transport.sent) == 2
