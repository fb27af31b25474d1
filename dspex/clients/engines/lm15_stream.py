"""The streamed answer of a user's engine: lm15's events as the chunks that listeners know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.calls.streaming import AnswerStream, has_substance, with_usual_keys
from dspex.clients.canonical.stream_assembly import StreamAssembler
from dspex.clients.canonical.stream_chunk import StreamChunk
from dspex.clients.engines.lm15_transport import EngineTransport, usage_in_openais_names
from dspex.errors import LMStreamAssemblyError

if TYPE_CHECKING:
    from dspex.clients.calls.call import LMCall


async def send_streamed_by_engine(call: LMCall, stream: AnswerStream) -> tuple[bytes, Any]:
    """Have the call's engine answer, and pass the answer on as it comes.

    Args:
        call: The request; its transport is an `EngineTransport`.
        stream: Where the chunks go.

    Returns:
        The whole answer, as it is recorded and decoded.

    Raises:
        LMStreamAssemblyError: the engine's stream ended without an end event.
        LMError: the engine failed.
    """
    assert isinstance(call.transport, EngineTransport)
    assembly = StreamAssembler()
    async for chunk in _chunks(call.transport.events(call.body)):
        assembly.add(chunk)
        if chunk["choices"]:
            await stream.send(StreamChunk(with_usual_keys(chunk)), has_substance(chunk))
    if not assembly.is_finished():
        raise LMStreamAssemblyError("The engine's stream ended without an end event", model=call.model)
    body = orjson.dumps(assembly.completion())
    return body, call.wire.decode(body)


async def _chunks(events: AsyncIterator[Any]) -> AsyncIterator[dict[str, Any]]:
    """An event as a chunk of OpenAI's; those that say nothing to a reader are left out."""
    head: dict[str, Any] = {}
    calls: dict[int, int] = {}
    async for event in events:
        if event.type == "start":
            head = {"id": event.id, "model": event.model}
        elif event.type == "delta":
            delta = _delta(event.delta, calls)
            if delta is not None:
                yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        elif event.type == "end":
            reason = "tool_calls" if event.finish_reason == "tool_call" else event.finish_reason or "stop"
            yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
            if event.usage is not None:
                yield {**head, "choices": [], "usage": usage_in_openais_names(event.usage)}


def _delta(part: Any, calls: dict[int, int]) -> dict[str, Any] | None:
    if part.type == "text":
        return {"content": part.text}
    if part.type == "thinking":
        return {"reasoning_content": part.text}
    if part.type == "tool_call":
        function = {"arguments": part.input, **({} if part.name is None else {"name": part.name})}
        index = calls.setdefault(part.part_index, len(calls))
        call = {"index": index, "type": "function", "function": function}
        return {"tool_calls": [call if part.id is None else {**call, "id": part.id}]}
    if part.type == "citation":
        found = {"text": part.text, "title": part.title, "url": part.url}
        citation = {name: value for name, value in found.items() if value is not None}
        return {"provider_specific_fields": {"citation": citation}}
    return None
