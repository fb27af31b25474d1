"""OpenAI's chat-completions format: requests read strictly, answers and errors written as that API writes them.

Tokens are approximated: one for four characters (rounded up), and four more for each message. A request for one answer
that gives no temperature is answered as at 0, so that programs that leave it out get the learner's best answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from dspex.practice.learner import FINGERPRINT, NAME, Question
from dspex.practice.prompt import Turn

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",
    "function": "user",
}
_MOST_CHOICES = 128
_CHARS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
_CREATED = 1735689600
"""2025-01-01: a fixed time, so that an answer is a function of its request."""


class BadRequestError(ValueError):
    """The request is not one that the API accepts; `param` names the part at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request as read: what to ask the learner, and how to send its answer."""

    model: str
    question: Question
    digest: bytes
    """Of the whole body, whatever the order of its keys."""
    prompt_tokens: int
    max_tokens: int | None
    stream: bool
    stream_usage: bool


def read_request(raw: bytes) -> ChatRequest:
    """Read a request's body.

    Raises:
        BadRequestError: if it is not JSON or not a chat completion request.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequestError("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise BadRequestError("The body of the request must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequestError("You must provide a model parameter.", "model")
    turns = _turns(body.get("messages"))
    schema, json_only = _response_format(body.get("response_format"))
    digest = _digest(body)
    n = _whole(body, "n", 1, _MOST_CHOICES) or 1
    question = Question(
        turns=turns,
        schema=schema,
        json_only=json_only,
        temperature=_number(body, "temperature", 0, 2, 0.0 if n == 1 else 1.0),
        seed=int.from_bytes(digest[:8], "big"),
        n=n,
    )
    return ChatRequest(
        model=model,
        question=question,
        digest=digest,
        prompt_tokens=sum(count_tokens(turn.text) + _TOKENS_A_MESSAGE for turn in turns),
        max_tokens=_whole(body, "max_completion_tokens", 1) or _whole(body, "max_tokens", 1),
        stream=_flag(body, "stream"),
        stream_usage=isinstance(body.get("stream_options"), dict)
        and body["stream_options"].get("include_usage") is True,
    )


def count_tokens(text: str) -> int:
    """About how many tokens `text` has."""
    return -(-len(text) // _CHARS_A_TOKEN)


@dataclass(frozen=True, slots=True)
class Choice:
    text: str
    finish_reason: str


def limited(text: str, max_tokens: int | None) -> Choice:
    """`text` within `max_tokens`, and whether it was cut."""
    if max_tokens is None or count_tokens(text) <= max_tokens:
        return Choice(text, "stop")
    return Choice(text[: max_tokens * _CHARS_A_TOKEN], "length")


def usage(request: ChatRequest, choices: Sequence[Choice]) -> dict[str, int]:
    completion = sum(count_tokens(choice.text) for choice in choices)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
    }


def write_answer(request: ChatRequest, choices: Sequence[Choice]) -> bytes:
    """A whole answer."""
    return orjson.dumps(
        {
            **_head(request, "chat.completion"),
            "choices": [
                {
                    "index": i,
                    "message": {"role": "assistant", "content": choice.text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": choice.finish_reason,
                }
                for i, choice in enumerate(choices)
            ],
            "usage": usage(request, choices),
        }
    )


def write_stream(request: ChatRequest, choices: Sequence[Choice], chunk_chars: int = 24) -> Iterator[bytes]:
    """The same answer as server-sent events, `chunk_chars` characters at a time."""
    head = _head(request, "chat.completion.chunk")
    for i, choice in enumerate(choices):
        yield _event({**head, "choices": [_delta(i, {"role": "assistant", "content": ""}, None)]})
        for start in range(0, len(choice.text), chunk_chars):
            piece = choice.text[start : start + chunk_chars]
            yield _event({**head, "choices": [_delta(i, {"content": piece}, None)]})
        yield _event({**head, "choices": [_delta(i, {}, choice.finish_reason)]})
    if request.stream_usage:
        yield _event({**head, "choices": [], "usage": usage(request, choices)})
    yield b"data: [DONE]\n\n"


def write_error(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def write_models() -> bytes:
    return orjson.dumps(
        {"object": "list", "data": [{"id": NAME, "object": "model", "created": _CREATED, "owned_by": "dspex"}]}
    )


def _head(request: ChatRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-practice-{request.digest.hex()[:24]}",
        "object": kind,
        "created": _CREATED,
        "model": request.model,
        "system_fingerprint": FINGERPRINT,
        "service_tier": "default",
    }


def _delta(index: int, delta: Mapping[str, str], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _digest(body: Mapping[str, Any]) -> bytes:
    try:
        return blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
    except orjson.JSONEncodeError:
        raise BadRequestError("The body of the request is nested too deeply.") from None


def _turns(messages: Any) -> list[Turn]:
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("You must provide a non-empty array of messages.", "messages")
    return [_turn(message, i) for i, message in enumerate(messages)]


def _turn(message: Any, i: int) -> Turn:
    if not isinstance(message, dict):
        raise BadRequestError(f"messages[{i}] must be an object.", f"messages[{i}]")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequestError(f"messages[{i}].role must be one of {', '.join(_ROLES)}.", f"messages[{i}].role")
    content = message.get("content")
    if isinstance(content, str):
        return Turn(_ROLES[role], content)
    if content is None and role in ("assistant", "function"):
        return Turn(_ROLES[role], "")
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in content
    ):
        return Turn(_ROLES[role], "\n".join(part["text"] for part in content if isinstance(part.get("text"), str)))
    raise BadRequestError(f"messages[{i}].content must be a string or an array of parts.", f"messages[{i}].content")


def _response_format(asked: Any) -> tuple[dict[str, Any] | None, bool]:
    if asked is None:
        return None, False
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "text":
        return None, False
    if kind == "json_object":
        return None, True
    if kind != "json_schema":
        raise BadRequestError("response_format.type must be text, json_object or json_schema.", "response_format.type")
    named = asked.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        raise BadRequestError("response_format.json_schema.name is missing.", "response_format.json_schema.name")
    schema = named.get("schema", {})
    if not isinstance(schema, dict):
        raise BadRequestError(
            "response_format.json_schema.schema must be an object.", "response_format.json_schema.schema"
        )
    return schema, True


def _number(body: Mapping[str, Any], name: str, least: float, most: float, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a number between {least} and {most}.", name)
    return float(value)


def _whole(body: Mapping[str, Any], name: str, least: int, most: int | None = None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limit = f"between {least} and {most}" if most is not None else f"of at least {least}"
        raise BadRequestError(f"{name} must be a whole number {limit}.", name)
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{name} must be true or false.", name)
    return value is True
