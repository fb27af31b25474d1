"""The answers of the Responses API as its server-sent events: items and parts opened, filled and closed, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import CHARS_A_TOKEN
from dspex_practice.openai.chat_format import chunks
from dspex_practice.openai.responses_format import ResponsesRequest, output_items, response_object, scores, text_part

_EMPTY: dict[str, dict[str, Any]] = {
    "message": {"content": [], "status": "in_progress"},
    "function_call": {"arguments": "", "status": "in_progress"},
    "reasoning": {"summary": []},
}
"""Items as they are before anything is in them."""


def write_response_stream(request: ResponsesRequest, reply: ModelReply, chunk_chars: int) -> Iterator[bytes]:
    """The events of an answer, `chunk_chars` characters at a time (whole tokens, if they have scores)."""
    if request.logprobs is not None:
        chunk_chars = max(CHARS_A_TOKEN, chunk_chars // CHARS_A_TOKEN * CHARS_A_TOKEN)
    for number, event in enumerate(_events(request, reply, chunk_chars)):
        event["sequence_number"] = number
        yield f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event) + b"\n\n"


def _events(request: ResponsesRequest, reply: ModelReply, size: int) -> Iterator[dict[str, Any]]:
    started = response_object(request, None)
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for place, item in enumerate(output_items(request, reply)):
        where = {"output_index": place, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": place, "item": _opened(item)}
        if item["type"] == "message":
            yield from _text(request, item["content"][0]["text"], {**where, "content_index": 0}, size)
        elif item["type"] == "function_call":
            yield from _arguments(item, where, size)
        else:
            yield from _summary(item["summary"], where, size)
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    ended = "response.incomplete" if reply.finish is Finish.LENGTH else "response.completed"
    yield {"type": ended, "response": response_object(request, reply)}


def _opened(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, **_EMPTY[item["type"]]}


def _text(request: ResponsesRequest, text: str, where: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    kind = "response.output_text"
    yield {"type": "response.content_part.added", **where, "part": text_part(request, "")}
    for piece in chunks(text, size):
        yield {"type": f"{kind}.delta", **where, "delta": piece, "logprobs": scores(request, piece)}
    yield {"type": f"{kind}.done", **where, "text": text, "logprobs": scores(request, text)}
    yield {"type": "response.content_part.done", **where, "part": text_part(request, text)}


def _arguments(item: Mapping[str, Any], where: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    kind = "response.function_call_arguments"
    for piece in chunks(item["arguments"], size):
        yield {"type": f"{kind}.delta", **where, "delta": piece}
    yield {"type": f"{kind}.done", **where, "name": item["name"], "arguments": item["arguments"]}


def _summary(parts: list[dict[str, Any]], where: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    kind = "response.reasoning_summary"
    for i, part in enumerate(parts):
        place = {**where, "summary_index": i}
        yield {"type": f"{kind}_part.added", **place, "part": {**part, "text": ""}}
        for piece in chunks(part["text"], size):
            yield {"type": f"{kind}_text.delta", **place, "delta": piece}
        yield {"type": f"{kind}_text.done", **place, "text": part["text"]}
        yield {"type": f"{kind}_part.done", **place, "part": part}
