"""OpenAI's Responses API: requests and answers of chat, in its format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from dspex.clients.canonical.answer import Answer, field
from dspex.clients.canonical.request import EncodedRequest, seal_params, split_messages
from dspex.clients.wires.body import excerpt, parse_body
from dspex.clients.wires.openai.chat import OpenAIFormat
from dspex.clients.wires.openai.responses_request import as_responses_request as as_responses_request
from dspex.clients.wires.openai.responses_request import exact, input_json, translated
from dspex.clients.wires.openai.responses_stream import ResponsesEvents, failure
from dspex.clients.wires.wire import EventReader
from dspex.errors import LMUnexpectedError

_CITED = ("cited_text", "text", "supported_text", "document_title", "title", "url")


class ResponsesFormat(OpenAIFormat):
    """``POST /responses``. Answers keep this API's shape; `responses_outputs` reads them."""

    path = "/responses"

    def _encode(self, messages: list[dict[str, Any]], sent: dict[str, Any]) -> EncodedRequest:
        split = split_messages(messages)
        body = exact(translated(sent))
        if body.get("input"):  # of a caller who writes in this API's own shape
            return seal_params(b"{", split.digest, body)
        del body["input"]
        return seal_params(b'{"input":[%b],' % input_json(split), split.digest, body)

    def stream_url(self, url: str) -> str:
        """Return the same address: the body asks for a stream."""
        return url

    def event_reader(self) -> EventReader:
        """Return a new reader of this API's events."""
        return ResponsesEvents()

    def streamed(self, body: bytes) -> bytes:
        """Return the body with ``"stream": true``."""
        return body[:-1] + b',"stream":true}'

    def decode(self, body: bytes) -> Answer:
        """Parse an answer.

        Raises:
            LMError: `body` is an error, or holds no output (`LMUnexpectedError`).
        """
        data = parse_body(body)
        if isinstance(data, dict) and data.get("error"):
            raise failure(data["error"])
        if not isinstance(data, dict) or not isinstance(data.get("output"), list):
            raise LMUnexpectedError(f"The answer holds no output: {excerpt(body)}")
        return Answer(data)


OPENAI_RESPONSES = ResponsesFormat()


def responses_outputs(response: Any) -> list[dict[str, Any]]:
    """Return one output for each answer (one, unless several were asked for).

    Args:
        response: An answer in this API's shape, as dicts or objects; several are its ``responses``.

    Returns:
        Dicts with ``text`` and, where present, ``reasoning_content``, ``logprobs``, ``tool_calls`` and ``citations``.
    """
    return [_output(one) for one in field(response, "responses") or [response]]


def _output(response: Any) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    logprobs: list[Any] = []
    for item in field(response, "output") or ():
        kind = field(item, "type")
        if kind == "message":
            for part in field(item, "content") or ():
                if field(part, "type") in ("text", "output_text", "input_text") and field(part, "text") is not None:
                    texts.append(field(part, "text"))
                logprobs += field(part, "logprobs") or ()
                citations += [_citation(_dict(note)) for note in field(part, "annotations") or ()]
        elif kind == "function_call":
            calls.append(_call(item))
        elif kind == "reasoning":
            parts = field(item, "content") or field(item, "summary") or ()
            thoughts += [text for part in parts if (text := field(part, "text"))]
    output: dict[str, Any] = {"text": "".join(texts) if texts else None}
    if thoughts:
        output["reasoning_content"] = "".join(thoughts)
    if logprobs:
        output["logprobs"] = {"content": logprobs}
    if calls:
        output["tool_calls"] = calls
    if citations:
        output["citations"] = citations
    return output


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
