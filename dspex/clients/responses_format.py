"""OpenAI's Responses API: requests and answers of chat, in its format."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel

from dspex.clients.answer import Answer, field
from dspex.clients.openai import OpenAIFormat, error_inside, excerpt
from dspex.clients.request import Encoded, encode_messages, encode_params, seal
from dspex.errors import LMUnexpectedError

_CITED = ("cited_text", "text", "supported_text", "document_title", "title", "url")
_OPTIONAL = ("temperature", "top_p", "n", "logprobs", "reasoning", "tool_choice")


class ResponsesFormat(OpenAIFormat):
    path = "/responses"

    def _encode(self, messages: list[dict[str, Any]], sent: dict[str, Any]) -> Encoded:
        _, digest = encode_messages(messages)
        return seal(b"{", digest, encode_params(as_responses_request({**sent, "messages": list(messages)})))

    def streamed(self, body: bytes) -> bytes:
        return body[:-1] + b',"stream":true}'

    def decode(self, body: bytes) -> Answer:
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise LMUnexpectedError(f"The answer is not JSON ({error}): {excerpt(body)}") from None
        if isinstance(data, dict) and data.get("error"):
            raise error_inside(data["error"], body)
        if not isinstance(data, dict) or not isinstance(data.get("output"), list):
            raise LMUnexpectedError(f"The answer holds no output: {excerpt(body)}")
        return Answer(data)


OPENAI_RESPONSES = ResponsesFormat()


def as_responses_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """A chat request as one of the Responses API."""
    asked = copy.deepcopy(dict(request))
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


def responses_outputs(response: Any) -> list[dict[str, Any]]:
    """The one output of an answer: ``text``, and what there is of ``reasoning_content``, ``tool_calls``,
    ``citations``."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    for item in field(response, "output") or ():
        kind = field(item, "type")
        if kind == "message":
            for part in field(item, "content") or ():
                if field(part, "type") in ("text", "output_text", "input_text") and field(part, "text") is not None:
                    texts.append(field(part, "text"))
                citations += [_citation(_dict(note)) for note in field(part, "annotations") or ()]
        elif kind == "function_call":
            calls.append(_call(item))
        elif kind == "reasoning":
            parts = field(item, "content") or field(item, "summary") or ()
            thoughts += [text for part in parts if (text := field(part, "text"))]
    output: dict[str, Any] = {"text": "".join(texts) if texts else None}
    if thoughts:
        output["reasoning_content"] = "".join(thoughts)
    if calls:
        output["tool_calls"] = calls
    if citations:
        output["citations"] = citations
    return [output]


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
    if tool.get("type") == "function" and tool.get("description") is None:
        tool.pop("description", None)
    return tool


def _form(form: Any) -> Any:
    """A response format as the Responses API writes it; a pydantic class as its strict schema."""
    if isinstance(form, type) and issubclass(form, BaseModel):
        return {"type": "json_schema", "name": form.__name__, "schema": form.model_json_schema(), "strict": True}
    if isinstance(form, dict) and isinstance(form.get("json_schema"), dict):
        return {"type": "json_schema", **form["json_schema"]}
    return form


def _call(item: Any) -> dict[str, Any]:
    arguments = field(item, "arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = {}
    call: dict[str, Any] = {
        "type": "function",
        "function": {"name": field(item, "name", ""), "arguments": json.dumps(arguments)},
    }
    return call if field(item, "call_id") is None else {**call, "id": field(item, "call_id")}


def _citation(note: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "type": "citation",
        "metadata": {name: value for name, value in note.items() if name not in _CITED and value is not None},
        "text": note.get("cited_text") or note.get("text") or note.get("supported_text"),
        "title": note.get("document_title") or note.get("title"),
        "url": note.get("url"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _dict(thing: Any) -> dict[str, Any]:
    return dict(thing) if isinstance(thing, (dict, BaseModel)) else vars(thing)
