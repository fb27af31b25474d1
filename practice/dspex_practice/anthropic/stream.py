"""The answers of the messages API as its server-sent events: blocks opened, filled and closed, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from dspex_practice.anthropic.format import MessagesRequest, content, head, stop, usage
from dspex_practice.api.prompt_cache import Cached
from dspex_practice.model.response import ModelReply
from dspex_practice.openai.chat_format import chunks

_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def write_message_stream(
    request: MessagesRequest, reply: ModelReply, cached: Cached, chunk_chars: int = 24
) -> Iterator[bytes]:
    """The events of an answer, `chunk_chars` characters at a time."""
    for event in _events(request, reply, cached, chunk_chars):
        yield f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event) + b"\n\n"


def _events(request: MessagesRequest, reply: ModelReply, cached: Cached, size: int) -> Iterator[dict[str, Any]]:
    counts = usage(request, reply, cached, "standard")
    started = {**head(request), "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**started, "usage": {**counts, "output_tokens": 1}}}
    yield {"type": "ping"}
    for place, block in enumerate(content(request, reply)):
        yield {
            "type": "content_block_start",
            "index": place,
            "content_block": {**block, **_EMPTY[block["type"]]},
        }
        for delta in _deltas(block, size):
            yield {"type": "content_block_delta", "index": place, "delta": delta}
        yield {"type": "content_block_stop", "index": place}
    yield {"type": "message_delta", "delta": stop(reply), "usage": counts}
    yield {"type": "message_stop"}


def _deltas(block: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        for piece in chunks(orjson.dumps(block["input"]).decode(), size):
            yield {"type": "input_json_delta", "partial_json": piece}
    elif block["type"] == "thinking":
        for piece in chunks(block["thinking"], size):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        for piece in chunks(block["text"], size):
            yield {"type": "text_delta", "text": piece}
