"""A call whose answer is shown as it comes: assembled whole, retried only before anything was shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streaming_fakes import DONE, USAGE, answer, delta, event, streaming_lm

import dspex
from dspex.clients import LM
from dspex.clients.canonical.stream_assembly import StreamAssembler
from dspex.clients.http.sse import EventDecoder
from dspex.clients.http.transport import RawResponse
from dspex.clients.resilience import retry
from dspex.errors import LMRateLimitError, LMTransportError, LMUnexpectedError
from dspex.streaming.channel import Channel


@pytest.fixture(autouse=True)
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nap(seconds: float) -> None:
        return None

    monkeypatch.setattr(retry, "rest", nap)


async def shown(lm: LM, **kwargs: Any) -> tuple[list[Any], list[Any]]:
    """What was sent into the stream, and what the caller got."""
    channel = Channel()
    with dspex.context(send_stream=channel):
        outputs = await lm.acall("hi", **kwargs)
    channel.end()
    return [item async for item in channel], outputs


async def test_answer_is_whole_and_usage_counted() -> None:
    lm = streaming_lm(answer("Par", "is"))
    _, outputs = await shown(lm)
    assert outputs == ["Paris"]
    assert lm.history[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    assert lm.history[-1]["response_model"] == "served"
    (sent,) = lm.transport.sent  # type: ignore[union-attr]
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


async def test_tool_calls_reasoning_and_logprobs_are_put_together() -> None:
    def call(**piece: Any) -> bytes:
        return delta(tool_calls=[{"index": 0, **piece}])

    pieces = [
        delta(role="assistant", reasoning_content="let me "),
        delta(reasoning_content="see"),
        call(id="c1", type="function", function={"name": "find", "arguments": ""}),
        call(function={"arguments": '{"x":'}),
        call(function={"arguments": " 1}"}),
        delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "stop", "arguments": "{}"}}]),
        delta(finish="tool_calls"),
        DONE,
    ]
    _, (output,) = await shown(streaming_lm(pieces))
    assert output["text"] is None
    assert output["reasoning_content"] == "let me see"
    assert [one["function"] for one in output["tool_calls"]] == [
        {"name": "find", "arguments": '{"x": 1}'},
        {"name": "stop", "arguments": "{}"},
    ]


async def test_several_answers_are_kept_apart() -> None:
    pieces = [delta("a", index=0), delta("b", index=1), delta("A", "stop", 0), delta("B", "stop", 1), DONE]
    _, outputs = await shown(streaming_lm(pieces), n=2)
    assert outputs == ["aA", "bB"]


async def test_answer_cut_before_anything_was_shown_is_asked_for_again() -> None:
    role_only = [delta("", role="assistant"), LMTransportError("reset")]
    items, outputs = await shown(streaming_lm(role_only, [], answer("Paris"), num_retries=3))
    assert outputs == ["Paris"]
    assert [item.choices[0].delta.content for item in items[:-1]] == ["", "Paris", None]


async def test_answer_cut_after_something_was_shown_is_not_asked_for_again() -> None:
    lm = streaming_lm([delta("Par")], answer("Paris"), num_retries=3)
    with pytest.raises(LMTransportError, match="the stream ended before the answer did"):
        await shown(lm)
    assert len(lm.transport.sent) == 1  # type: ignore[union-attr]


async def test_refusal_is_told_and_retried_as_ever() -> None:
    refusal = RawResponse(429, {}, b'{"error": {"message": "slow down"}}')
    _, outputs = await shown(streaming_lm(refusal, answer("Paris"), num_retries=1))
    assert outputs == ["Paris"]
    with pytest.raises(LMRateLimitError, match="slow down"):
        await shown(streaming_lm(refusal))


async def test_error_inside_the_stream_is_an_error() -> None:
    inside = [event({"error": {"message": "overloaded", "code": 529}}), DONE]
    with pytest.raises(dspex.LMServerError, match="overloaded"):
        await shown(streaming_lm(inside))
    with pytest.raises(LMUnexpectedError, match="not JSON"):
        await shown(streaming_lm([b"data: {oh\n\n"]))


async def test_server_that_does_not_stream_is_understood() -> None:
    whole = {"choices": [{"message": {"content": "Paris"}}]}
    reply = RawResponse(200, {"Content-Type": "application/json"}, json.dumps(whole).encode())
    items, outputs = await shown(streaming_lm(reply))
    assert (items, outputs) == ([], ["Paris"])


async def test_recorded_answer_serves_calls_that_are_not_shown(store: Any) -> None:
    lm = streaming_lm(answer("Par", "is"), cache=True)
    await shown(lm)
    assert await lm.acall("hi") == ["Paris"]
    assert lm.history[-1]["usage"] == {}
    assert len(lm.transport.sent) == 1  # type: ignore[union-attr]


async def test_text_completions_are_streamed_as_text() -> None:
    pieces = [event({"choices": [{"index": 0, "text": text, "finish_reason": None}]}) for text in ("Par", "is")]
    ended = event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
    items, outputs = await shown(streaming_lm([*pieces, ended, USAGE, DONE], model_type="text"))
    assert outputs == ["Paris"]
    assert [item.choices[0].delta.content for item in items[:-1]] == ["Par", "is", ""]


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_are_read_however_the_bytes_are_cut(texts: list[str], newline: str, data: st.DataObject) -> None:
    payloads = [json.dumps(text).encode() for text in texts]
    stream = b"".join(b": note\n" + b"event: x\ndata: " + payload + b"\n\n" for payload in payloads)
    stream = stream.replace(b"\n", newline.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    edges = [0, *cuts, len(stream)]
    decoder = EventDecoder()
    found = [one for i in range(len(edges) - 1) for one in decoder.feed(stream[edges[i] : edges[i + 1]])]
    assert found + decoder.rest() == payloads


@settings(deadline=None)
@given(st.lists(st.text(), max_size=8))
def test_whole_is_what_the_pieces_were(texts: list[str]) -> None:
    assembly = StreamAssembler()
    for text in texts:
        assembly.add({"choices": [{"index": 0, "delta": {"content": text}}]})
    assembly.add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert assembly.is_finished()
    assert assembly.completion()["choices"][0]["message"]["content"] == "".join(texts)
