"""Gemini's wire format: ``POST /v1beta/models/{model}:generateContent``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.params import sent_params
from dspex.clients.canonical.request import EncodedRequest, SplitMessages, encode_params, in_order, split_messages
from dspex.clients.http.transport import RawResponse
from dspex.clients.models.gemini import takes_levels
from dspex.clients.wires.body import excerpt, parse_body
from dspex.clients.wires.gemini.answer import as_completion
from dspex.clients.wires.gemini.contents import Contents
from dspex.clients.wires.gemini.errors import blocked, error_inside, error_of
from dspex.clients.wires.gemini.params import gemini_params
from dspex.clients.wires.gemini.stream import GeminiEvents
from dspex.clients.wires.wire import EventReader
from dspex.errors import LMError, LMUnexpectedError

if TYPE_CHECKING:
    from dspex.clients.canonical.prompt import Prefix

_WHOLE, _STREAMED = ":generateContent", ":streamGenerateContent?alt=sse"


class Gemini:
    """Gemini's generateContent API. The ledger's key comes from the request in OpenAI's names."""

    path = "/{model}" + _WHOLE

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request, as `dspex.clients.wires.wire.Wire.encode` says."""
        head, split = _prompt_json(messages, takes_levels(model))
        asked = sent_params(params)
        body = gemini_params(model, asked, params)
        if params.get("extra_body"):
            asked["extra_body"] = params["extra_body"]
        split.digest.update(encode_params(asked | {"model": model}))
        return EncodedRequest(head + (b"," + in_order(body)[1:] if body else b"}"), split.digest)

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers, with the key in ``x-goog-api-key``."""
        headers = {"Content-Type": "application/json", "User-Agent": "dspex"}
        if key:
            headers["x-goog-api-key"] = key
        return headers

    def streamed(self, body: bytes) -> bytes:
        """Return the same body: another address streams (`stream_url`)."""
        return body

    def stream_url(self, url: str) -> str:
        """Return the address ``:streamGenerateContent`` beside `url`."""
        return url.removesuffix(_WHOLE) + _STREAMED

    def event_reader(self) -> EventReader:
        """Return a new reader of Gemini's events."""
        return GeminiEvents()

    def decode(self, body: bytes) -> Answer:
        """Translate an answer into OpenAI's shape; one that was streamed has been recorded in that shape.

        Raises:
            LMError: `body` is an error, a blocked prompt, or not an answer at all (`LMUnexpectedError`).
        """
        data = parse_body(body)
        if not isinstance(data, dict):
            raise LMUnexpectedError(f"The answer is no response: {excerpt(body)}")
        if data.get("error"):
            raise error_inside(data)
        refusal = blocked(data)
        if refusal is not None:
            raise refusal
        if data.get("candidates"):
            return Answer(as_completion(data))
        if isinstance(data.get("choices"), list):
            return Answer(data)
        raise LMUnexpectedError(f"The answer holds no candidates: {excerpt(body)}")

    def error(self, response: RawResponse) -> LMError:
        """Return the error that a response with an error status means."""
        return error_of(response)


GEMINI = Gemini()


def _prompt_json(messages: list[dict[str, Any]], signed: bool) -> tuple[bytes, SplitMessages]:
    """``{"systemInstruction": ..., "contents": [...]``; what a predictor sends in every call is written once."""
    split = split_messages(messages)
    if split.prefix is not None and len(split.rest) == 1 and split.rest[0].get("role") == "user":
        beginning, role = _beginning(split.prefix, signed)
        if beginning and role != "user":  # nor what a tool has answered, which has that role too
            turns = Contents(split.rest).turns
            if turns:
                return b"%b%b%b]" % (beginning, b"," if role else b"", in_order(turns[0])), split
    said = [*split.prefix.messages, *split.rest] if split.prefix is not None else split.rest
    contents = Contents(said, signed)
    contents.complete()
    return _opened(contents) + b"]", split


def _beginning(prefix: Prefix, signed: bool) -> tuple[bytes, str | None]:
    """What all prompts with this prefix begin with, and the role of its last turn."""
    name = ("gemini", signed)
    if name not in prefix.encodings:
        contents = Contents(prefix.messages, signed)
        opens_well = not contents.turns or contents.turns[0]["role"] == "user"
        role = contents.turns[-1]["role"] if contents.turns else None
        prefix.encodings[name] = (_opened(contents) if opens_well else b"", role)
    found: tuple[bytes, str | None] = prefix.encodings[name]
    return found


def _opened(contents: Contents) -> bytes:
    system = b'"systemInstruction":%b,' % in_order({"parts": contents.system}) if contents.system else b""
    return b'{%b"contents":[%b' % (system, in_order(contents.turns)[1:-1])
