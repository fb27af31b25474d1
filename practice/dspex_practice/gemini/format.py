"""Gemini's generateContent format: requests read strictly, answers and streams written as that API writes them.

Like Google's servers it takes names in camelCase and in snake_case. A request for one answer that gives no temperature
is answered as at 0. A model thinks if its name says `reason` or if it is given a thinking budget or level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.gemini.json_schema import from_openapi
from dspex_practice.gemini.names import camel
from dspex_practice.gemini.tools import read_toolbox
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.logprobs import score
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.request import ModelRequest, reasons
from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import TOKENS_A_PICTURE
from dspex_practice.openai.chat_format import chunks, turn_tokens

_MOST_CANDIDATES = 8
_MOST_STOPS = 5
_MOST_LOGPROBS = 20
_ROLES = {"user": "user", "model": "assistant", "function": "tool", "system": "system"}
_JSON = "application/json"
_ENUM = "text/x.enum"
_MIME = ("text/plain", _JSON, _ENUM)
_FINISH = {Finish.LENGTH: "MAX_TOKENS"}


@dataclass(frozen=True, slots=True)
class GenerateRequest(ModelRequest):
    """A request as read."""

    shows_thinking: bool = False
    plain_enum: bool = False
    """Whether the answer is one of some labels, as it stands."""
    events: bool = True
    """Whether a stream is of server-sent events, and not the elements of one array."""


def read_generate(raw: bytes, model: str) -> GenerateRequest:
    """Read a request's body; `model` is in the path.

    Raises:
        BadRequestError: if it is not JSON or not a request of this API.
    """
    return from_body(read.load(raw), model)


def from_body(given: Mapping[str, Any], model: str) -> GenerateRequest:
    """The same from a body that is already an object."""
    body = camel(given)
    turns, pictures = read_contents(body)
    options = camel(read.mapping(body, "generationConfig") or {})
    toolbox, tool_tokens = read_toolbox(body)
    digest = read.digest(given, f"{model}:generateContent")
    n = read.whole(options, "candidateCount", 1, _MOST_CANDIDATES) or 1
    schema, mime = _schema(options)
    thinking = camel(read.mapping(options, "thinkingConfig") or {})
    top = read.whole(options, "logprobs", 0, _MOST_LOGPROBS)
    return GenerateRequest(
        model=model,
        question=Question(
            turns=turns,
            schema=schema,
            json_only=mime == _JSON,
            temperature=read.number(options, "temperature", 0, 2, 0.0 if n == 1 else 1.0),
            seed=int.from_bytes(digest[:8], "big"),
            n=n,
        ),
        digest=digest,
        prompt_tokens=turn_tokens(turns) + pictures * TOKENS_A_PICTURE + tool_tokens,
        max_tokens=read.whole(options, "maxOutputTokens", 1),
        stop=read.strings(options, "stopSequences", _MOST_STOPS),
        tools=toolbox,
        thinks=_thinks(model, thinking),
        logprobs=(top or 0) if read.flag(options, "responseLogprobs") else None,
        shows_thinking=read.flag(thinking, "includeThoughts"),
        plain_enum=mime == _ENUM,
    )


def read_contents(body: Mapping[str, Any]) -> tuple[list[Turn], int]:
    """The turns of a request, and how many pictures and files are in them."""
    turns: list[Turn] = []
    pictures = 0
    system = body.get("systemInstruction")
    if system is not None:
        head, _ = _turns({"parts": [{"text": system}]} if isinstance(system, str) else system, "systemInstruction")
        turns.append(Turn("system", "\n".join(turn.text for turn in head)))
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise BadRequestError("GenerateContentRequest.contents: contents is not specified", "contents")
    for i, content in enumerate(contents):
        found, seen = _turns(content, f"contents[{i}]")
        turns += found
        pictures += seen
    return turns, pictures


def write_generated(request: GenerateRequest, replies: Sequence[ModelReply]) -> bytes:
    """A whole answer."""
    return orjson.dumps(generated(request, replies))


def generated(request: GenerateRequest, replies: Sequence[ModelReply]) -> dict[str, Any]:
    """The answer as an object."""
    candidates = [
        {**_candidate(i, _parts(request, reply), _FINISH.get(reply.finish, "STOP")), **_scores(request, reply.text)}
        for i, reply in enumerate(replies)
    ]
    return {"candidates": candidates, "usageMetadata": _usage(request, replies), **_tail(request)}


def write_generated_stream(
    request: GenerateRequest, replies: Sequence[ModelReply], chunk_chars: int
) -> Iterator[bytes]:
    """The answer in pieces: as server-sent events, or as the elements of one JSON array."""
    found = [orjson.dumps(piece) for piece in _pieces(request, replies, chunk_chars)]
    for i, piece in enumerate(found):
        if request.events:
            yield b"data: " + piece + b"\r\n\r\n"
        else:
            yield (b"[" if i == 0 else b",\r\n") + piece + (b"]" if i == len(found) - 1 else b"")


def write_count(tokens: int) -> bytes:
    """The answer of ``:countTokens``."""
    return orjson.dumps({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def _pieces(request: GenerateRequest, replies: Sequence[ModelReply], size: int) -> Iterator[dict[str, Any]]:
    counts = _usage(request, replies)
    begun = {"promptTokenCount": request.prompt_tokens, "totalTokenCount": request.prompt_tokens}
    for i, reply in enumerate(replies):
        parts = [part for whole in _parts(request, reply) for part in _cut(whole, size)] or [{"text": ""}]
        for part in parts[:-1]:
            yield {"candidates": [_candidate(i, [part])], "usageMetadata": begun, **_tail(request)}
        last = _candidate(i, parts[-1:], _FINISH.get(reply.finish, "STOP"))
        shown = counts if i == len(replies) - 1 else begun
        yield {"candidates": [last], "usageMetadata": shown, **_tail(request)}


def _cut(part: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    if "text" not in part:
        yield dict(part)
        return
    for piece in chunks(part["text"], size):
        yield {**part, "text": piece}


def _parts(request: GenerateRequest, reply: ModelReply) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if reply.thinking and request.shows_thinking:
        parts.append({"text": reply.thinking, "thought": True})
    if reply.text:
        parts.append({"text": _label(reply.text) if request.plain_enum else reply.text})
    return parts + [{"functionCall": {"name": call.name, "args": call.arguments}} for call in reply.calls]


def _label(text: str) -> str:
    """What is inside of an answer that is a string in JSON."""
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text  # cut, or malformed on purpose


def _candidate(index: int, parts: Sequence[Mapping[str, Any]], finish: str | None = None) -> dict[str, Any]:
    ended = {"finishReason": finish} if finish else {}
    return {"content": {"parts": parts, "role": "model"}, "index": index, **ended}


def _usage(request: ModelRequest, replies: Sequence[ModelReply]) -> dict[str, Any]:
    thinking = sum(reply.thinking_tokens for reply in replies)
    answered = sum(reply.tokens for reply in replies) - thinking
    counts = {
        "promptTokenCount": request.prompt_tokens,
        "candidatesTokenCount": answered,
        "totalTokenCount": request.prompt_tokens + answered + thinking,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": request.prompt_tokens}],
    }
    return {**counts, "thoughtsTokenCount": thinking} if thinking else counts


def _tail(request: ModelRequest) -> dict[str, Any]:
    return {"modelVersion": request.model, "responseId": f"practice-{request.digest.hex()[:24]}"}


def _scores(request: ModelRequest, text: str) -> dict[str, Any]:
    if request.logprobs is None or not text:
        return {}
    found = score(text, request.logprobs)
    chosen = [{"token": each.token, "logProbability": each.logprob} for each in found]
    top = [{"candidates": [{"token": token, "logProbability": it} for token, it in each.top]} for each in found]
    average = sum(each.logprob for each in found) / len(found)
    return {"avgLogprobs": average, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": top}}


def _turns(content: Any, place: str) -> tuple[list[Turn], int]:
    """The turns of one content: results of functions are turns of their own."""
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise BadRequestError(f"{place}.parts must be an array of parts.", f"{place}.parts")
    role = read.one_of(content, "role", _ROLES, "user", f"{place}.")
    parts = [camel(part) for part in parts if not part.get("thought")]
    turns = [Turn("tool", _result(part["functionResponse"])) for part in parts if "functionResponse" in part]
    text = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    if any("functionCall" in part for part in parts):
        turns.append(Turn("call", text))
    elif text or not turns:
        turns.append(Turn(_ROLES[role], text))
    return turns, sum("inlineData" in part or "fileData" in part for part in parts)


def _result(response: Any) -> str:
    given = response.get("response") if isinstance(response, dict) else None
    if isinstance(given, dict) and len(given) == 1 and isinstance(only := next(iter(given.values())), str):
        return only
    return orjson.dumps(given).decode()


def _schema(options: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    mime = options.get("responseMimeType") or "text/plain"
    if mime not in _MIME:
        raise BadRequestError(f"response_mime_type must be one of {', '.join(_MIME)}.", "responseMimeType")
    given = read.mapping(options, "responseSchema")
    plain = read.mapping(options, "responseJsonSchema")
    if given is not None and plain is not None:
        raise BadRequestError("Only one of response_schema and response_json_schema may be set.", "responseSchema")
    if given is None and plain is None:
        return None, mime
    if mime == "text/plain":
        raise BadRequestError("A response schema needs response_mime_type application/json.", "responseMimeType")
    return (from_openapi(given) if given is not None else plain), mime


def _thinks(model: str, config: Mapping[str, Any]) -> bool:
    budget = read.whole(config, "thinkingBudget", -1)
    if budget is not None:
        return budget != 0
    return reasons(model) or config.get("thinkingLevel") is not None
