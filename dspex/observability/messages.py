"""What was said, in the form that OpenTelemetry's GenAI conventions give it: only for those who asked for content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


def input_messages(messages: Any) -> str:
    """A prompt as JSON: messages with their parts. What is no text is named by its kind and left out."""
    return _json([{"role": str(_of(one, "role") or "user"), "parts": _parts(_of(one, "content"))} for one in messages])


def output_messages(reply: Any) -> str | None:
    """An answer as JSON, or None where it is none of a chat."""
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    if not choices:
        return None
    return _json([_said(one) for one in choices])


def arguments_or_result(value: Any) -> str:
    """What a tool was given or gave, as JSON where it is JSON, and as text elsewhere."""
    return _json(value)


def _said(choice: Any) -> dict[str, Any]:
    message = _of(choice, "message") or {}
    parts = _parts(_of(message, "content") or _of(choice, "text"))
    for call in _of(message, "tool_calls") or ():
        function = _of(call, "function") or {}
        parts.append(
            {"type": "tool_call", "name": str(_of(function, "name")), "arguments": str(_of(function, "arguments"))}
        )
    return {"role": "assistant", "parts": parts, "finish_reason": str(_of(choice, "finish_reason") or "")}


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, list):
        return [_part(one) for one in content]
    return [{"type": "text", "content": str(content)}]


def _part(one: Any) -> dict[str, Any]:
    kind, text = str(_of(one, "type") or "text"), _of(one, "text")
    return {"type": kind} if text is None else {"type": "text", "content": str(text)}


def _of(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(value)
