"""Anthropic's wire format: ``POST /v1/messages``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.params import sent_params
from dspex.clients.canonical.request import EncodedRequest, encode_params, in_order
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.anthropic.answer import as_completion
from dspex.clients.wires.anthropic.errors import error_inside, error_of
from dspex.clients.wires.anthropic.params import anthropic_params
from dspex.clients.wires.anthropic.prompt import prompt_json
from dspex.clients.wires.anthropic.stream import AnthropicEvents
from dspex.clients.wires.body import excerpt, parse_body
from dspex.clients.wires.wire import EventReader
from dspex.errors import LMError, LMUnexpectedError

VERSION = "2023-06-01"
"""Of the API. The one of 2026-10-21 takes no `temperature` from any model; this one takes it for those that have it."""


class Anthropic:
    """Anthropic's messages API. The ledger's key comes from the request in OpenAI's names, so marks for the provider's
    cache make no difference to it.
    """

    path = "/messages"

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request, as `dspex.clients.wires.wire.Wire.encode` says."""
        head, split, tools_called = prompt_json(messages, params)
        asked = sent_params(params)
        body = anthropic_params(model, asked, params)
        if tools_called and "tools" not in body:
            body |= _tools_of_the_past(tools_called)
        if params.get("extra_body"):
            asked["extra_body"] = params["extra_body"]
        split.digest.update(encode_params(asked | {"model": model}))
        return EncodedRequest(head + in_order(body)[1:], split.digest)

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers, with the key in ``x-api-key``."""
        headers = {"Content-Type": "application/json", "User-Agent": "dspex", "anthropic-version": VERSION}
        if key:
            headers["x-api-key"] = key
        return headers

    def streamed(self, body: bytes) -> bytes:
        """Return the body with ``"stream": true``."""
        return body[:-1] + b',"stream":true}'

    def stream_url(self, url: str) -> str:
        """Return the same address: the body asks for a stream."""
        return url

    def event_reader(self) -> EventReader:
        """Return a new reader of Anthropic's events."""
        return AnthropicEvents()

    def decode(self, body: bytes) -> Answer:
        """Translate an answer into OpenAI's shape; one that was streamed has been recorded in that shape.

        Raises:
            LMError: `body` is an error, or not an answer at all (`LMUnexpectedError`).
        """
        data = parse_body(body)
        if not isinstance(data, dict):
            raise LMUnexpectedError(f"The answer is no message: {excerpt(body)}")
        if data.get("error"):
            raise error_inside(data)
        if isinstance(data.get("content"), list):
            return Answer(as_completion(data))
        if isinstance(data.get("choices"), list):
            return Answer(data)
        raise LMUnexpectedError(f"The answer holds no content: {excerpt(body)}")

    def error(self, response: RawResponse) -> LMError:
        """Return the error that a response with an error status means."""
        return error_of(response)


def _tools_of_the_past(names: list[str]) -> dict[str, Any]:
    """A conversation in which tools were called must declare them; these are not to be called again."""
    tools = [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in names]
    return {"tools": tools, "tool_choice": {"type": "none"}}


ANTHROPIC = Anthropic()
