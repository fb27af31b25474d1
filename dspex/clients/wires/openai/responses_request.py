"""Requests of chat as those of OpenAI's Responses API."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from dspex.clients.canonical.request import SplitMessages, in_order

_OPTIONAL = ("temperature", "top_p", "n", "logprobs", "reasoning", "tool_choice")


def as_responses_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a chat request into one of the Responses API."""
    return translated(copy.deepcopy(dict(request)))


def translated(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what `as_responses_request` does, in place."""
    messages = asked.pop("messages", [])
    if "input" not in asked:
        asked["input"] = [item for message in messages for item in _items(message)]
    tokens = asked.pop("max_completion_tokens", None) or asked.get("max_tokens")
    asked.pop("max_tokens", None)
    if tokens is not None:
        asked["max_output_tokens"] = tokens
    effort = asked.pop("reasoning_effort", None)
    if effort is not None and asked.get("reasoning") is None:
        asked["reasoning"] = {"effort": effort, "summary": "auto"}
    if asked.get("tools"):
        asked["tools"] = [_tool(tool) for tool in asked["tools"]]
    choice = asked.get("tool_choice")
    if isinstance(choice, dict) and "function" in choice:
        asked["tool_choice"] = {"type": "function", "name": choice["function"]["name"]}
    form = asked.pop("response_format", None)
    if form is not None:
        asked["text"] = {**(asked.get("text") or {}), "format": _form(form)}
    for name in _OPTIONAL:
        if asked.get(name) is None:
            asked.pop(name, None)
    if not asked.get("stop"):
        asked.pop("stop", None)
    return asked


def input_json(split: SplitMessages) -> bytes:
    """Return the input items of a prompt, without brackets. Those of a shared prefix are translated once."""
    rest = in_order(_input(split.rest))[1:-1]
    if split.prefix is None:
        return rest
    known = split.prefix.encodings
    if "responses" not in known:
        known["responses"] = in_order(_input(split.prefix.messages))[1:-1]
    before: bytes = known["responses"]
    return before + b"," + rest if before and rest else before or rest


def _input(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_exact_item(item) for message in messages for item in _items(message)]


def _exact_item(item: dict[str, Any]) -> dict[str, Any]:
    """An input item without what this API does not know, and with what it wants."""
    item.pop("name" if "role" in item else "", None)
    content = item.get("content")
    if isinstance(content, list):
        item["content"] = [_exact_part(part) for part in content]
        if item.get("role") == "assistant" and all(part.get("type") == "output_text" for part in content):
            item["content"] = "".join(part["text"] for part in content)  # a list would need the ids of that answer
    return item


def _exact_part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "input_image":
        return {"detail": "auto", **part}
    if kind == "input_file":
        known = {name: value for name, value in part.items() if value is not None}
        if "://" in known.get("file_data", ""):
            known["file_url"] = known.pop("file_data")
        return known
    return part


def exact(body: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a chat in this API's terms: functions are strict here unless they say that they are not."""
    if body.get("tools"):
        body["tools"] = [
            {"parameters": None, "strict": False, **tool} if tool.get("type") == "function" else tool
            for tool in body["tools"]
        ]
    if body.pop("logprobs", None):
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    if "verbosity" in body:
        body["text"] = {**body.get("text", {}), "verbosity": body.pop("verbosity")}
    return body


def _items(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input items that one message of a chat becomes."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        returned: dict[str, Any] = {"type": "function_call_output", "output": _text_of(content)}
        if message.get("tool_call_id") is not None:
            returned["call_id"] = message["tool_call_id"]
        return [returned]
    calls = (message.get("tool_calls") or []) if role == "assistant" else []
    parts = _parts(content, role)
    items: list[dict[str, Any]] = []
    if parts or not calls:
        items.append({"role": role, "content": parts})
        if message.get("name") is not None:
            items[0]["name"] = message["name"]
    return items + [_earlier_call(call) for call in calls]


def _parts(content: Any, role: Any) -> list[dict[str, Any]]:
    kind = "output_text" if role == "assistant" else "input_text"
    if isinstance(content, str):
        return [{"type": kind, "text": content}]
    return [_part(part, kind) for part in content or ()]


def _part(part: dict[str, Any], text_kind: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return {"type": text_kind, "text": part.get("text", "")}
    if kind == "image_url":
        image = part["image_url"] if isinstance(part["image_url"], dict) else {"url": part["image_url"]}
        detail = {} if image.get("detail") is None else {"detail": image["detail"]}
        return {"type": "input_image", "image_url": image.get("url", ""), **detail}
    if kind == "file":
        file = part.get("file", {})
        return {"type": "input_file", **{name: file.get(name) for name in ("file_data", "filename", "file_id")}}
    return part


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)
    return content or ""


def _earlier_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or call
    item = {"type": "function_call", "name": function.get("name", ""), "arguments": function.get("arguments", "{}")}
    call_id = call.get("call_id") or call.get("id")
    return item if call_id is None else {**item, "call_id": call_id}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "function" in tool:
        rest = {name: value for name, value in tool.items() if name not in ("type", "function")}
        tool = {"type": "function", **rest, **tool["function"]}
    if tool.get("type") == "function" and tool.get("description", "") is None:
        return {name: value for name, value in tool.items() if name != "description"}
    return tool


def _form(form: Any) -> Any:
    """A response format as the Responses API writes it; a pydantic class as its strict schema."""
    if isinstance(form, type) and issubclass(form, BaseModel):
        return {"type": "json_schema", "name": form.__name__, "schema": form.model_json_schema(), "strict": True}
    if isinstance(form, dict) and isinstance(form.get("json_schema"), dict):
        return {"type": "json_schema", **form["json_schema"]}
    return form
