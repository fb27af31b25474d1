"""OpenAI's chat-completions format: requests read strictly, answers written as that API writes them.

A request for one answer that gives no temperature is answered as at 0, so that programs that leave it out get the
learner's best answer. Logprobs are pseudo scores (see `logprobs`); they are not how the answer was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.clock import CREATED
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.in_context_learner import FINGERPRINT, Question
from dspex_practice.model.logprobs import Scored, score
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.request import ModelRequest, reasons
from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import CHARS_A_TOKEN, TOKENS_A_MESSAGE, TOKENS_A_PICTURE, count_tokens
from dspex_practice.openai.chat_tools import check_results, read_call, read_toolbox

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_MOST_CHOICES = 128
_MOST_STOPS = 4
_MOST_LOGPROBS = 20
_FINISH = {Finish.END: "stop", Finish.STOP: "stop", Finish.LENGTH: "length", Finish.CALLS: "tool_calls"}


@dataclass(frozen=True, slots=True)
class ChatRequest(ModelRequest):
    """A request as read."""

    stream_usage: bool = False


def read_request(raw: bytes) -> ChatRequest:
    """Read a request's body.

    Raises:
        BadRequestError: if it is not JSON or not a chat completion request.
    """
    body = read.load(raw)
    model = read.model_name(body)
    turns, pictures = _turns(body.get("messages"))
    schema, json_only = read_response_format(body.get("response_format"))
    toolbox, tool_tokens = read_toolbox(body)
    digest = read.digest(body)
    n = read.whole(body, "n", 1, _MOST_CHOICES) or 1
    options = read.mapping(body, "stream_options") or {}
    question = Question(
        turns=turns,
        schema=schema,
        json_only=json_only,
        temperature=read.number(body, "temperature", 0, 2, 0.0 if n == 1 else 1.0),
        seed=int.from_bytes(digest[:8], "big"),
        n=n,
    )
    return ChatRequest(
        model=model,
        question=question,
        digest=digest,
        prompt_tokens=turn_tokens(turns) + pictures * TOKENS_A_PICTURE + tool_tokens,
        max_tokens=read.whole(body, "max_completion_tokens", 1) or read.whole(body, "max_tokens", 1),
        stop=read.strings(body, "stop", _MOST_STOPS, alone=True),
        stream=read.flag(body, "stream"),
        tools=toolbox,
        thinks=reasons(model),
        logprobs=_logprobs(body),
        stream_usage=options.get("include_usage") is True,
    )


def turn_tokens(turns: Sequence[Turn]) -> int:
    """Tokens of `turns`, with what each message costs besides its text."""
    return sum(count_tokens(turn.text) + TOKENS_A_MESSAGE for turn in turns)


def usage(request: ModelRequest, replies: Sequence[ModelReply]) -> dict[str, Any]:
    """The tokens of a request and its answers, as they are billed."""
    completion = sum(reply.tokens for reply in replies)
    thinking = sum(reply.thinking_tokens for reply in replies)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thinking, "audio_tokens": 0},
    }


def write_answer(request: ChatRequest, replies: Sequence[ModelReply]) -> bytes:
    """A whole answer."""
    return orjson.dumps(
        {
            **_head(request, "chat.completion"),
            "choices": [
                {
                    "index": i,
                    "message": _message(request, i, reply),
                    "logprobs": _scores(request, reply.text),
                    "finish_reason": _FINISH[reply.finish],
                }
                for i, reply in enumerate(replies)
            ],
            "usage": usage(request, replies),
        }
    )


def write_stream(request: ChatRequest, replies: Sequence[ModelReply], chunk_chars: int = 24) -> Iterator[bytes]:
    """The same answer as server-sent events, `chunk_chars` characters at a time (whole tokens, if they have scores)."""
    head = _head(request, "chat.completion.chunk")
    if request.logprobs is not None:
        chunk_chars = max(CHARS_A_TOKEN, chunk_chars // CHARS_A_TOKEN * CHARS_A_TOKEN)
    for i, reply in enumerate(replies):
        for delta in _deltas(request, i, reply, chunk_chars):
            scores = _scores(request, delta.get("content") or "")
            yield _event({**head, "choices": [_choice(i, delta, scores, None)]})
        yield _event({**head, "choices": [_choice(i, {}, None, _FINISH[reply.finish])]})
    if request.stream_usage:
        yield _event({**head, "choices": [], "usage": usage(request, replies)})
    yield b"data: [DONE]\n\n"


def model_object(name: str) -> dict[str, Any]:
    """A model as the API shows it."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "dspex"}


def chunks(text: str, size: int) -> Iterator[str]:
    """`text` in pieces of `size` characters."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def scored(each: Scored) -> dict[str, Any]:
    """A token's scores, as chat and Responses have them."""
    top = [_token(token, logprob) for token, logprob in each.top]
    return {**_token(each.token, each.logprob), "top_logprobs": top}


def read_response_format(wanted: Any) -> tuple[dict[str, Any] | None, bool]:
    """The schema that the answer must have, and whether it must be JSON."""
    if wanted is None:
        return None, False
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return None, False
    if kind == "json_object":
        return None, True
    if kind != "json_schema":
        raise BadRequestError("response_format.type must be text, json_object or json_schema.", "response_format.type")
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        raise BadRequestError("response_format.json_schema.name is missing.", "response_format.json_schema.name")
    schema = named.get("schema", {})
    if not isinstance(schema, dict):
        raise BadRequestError(
            "response_format.json_schema.schema must be an object.", "response_format.json_schema.schema"
        )
    return schema, True


def call_id(request: ModelRequest, choice: int, place: int) -> str:
    """The id of a call, one for each place in each choice."""
    return f"call_{request.digest.hex()[:20]}{choice:x}{place:x}"


def _message(request: ModelRequest, choice: int, reply: ModelReply) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.calls else reply.text,
        "refusal": None,
    }
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call_id(request, choice, place),
                "type": "function",
                "function": {"name": call.name, "arguments": call.written},
            }
            for place, call in enumerate(reply.calls)
        ]
    return message


def _deltas(request: ModelRequest, choice: int, reply: ModelReply, size: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if reply.calls else ""}
    for piece in chunks(reply.thinking, size):
        yield {"reasoning_content": piece}
    for piece in chunks(reply.text, size):
        yield {"content": piece}
    for place, call in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        opening = {"index": place, "id": call_id(request, choice, place), "type": "function", "function": function}
        yield {"tool_calls": [opening]}
        for piece in chunks(call.written, size):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _head(request: ModelRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-practice-{request.digest.hex()[:24]}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": FINGERPRINT,
        "service_tier": "default",
    }


def _choice(index: int, delta: Mapping[str, Any], scores: Any, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": scores, "finish_reason": finish_reason}


def _scores(request: ModelRequest, text: str) -> dict[str, Any] | None:
    if request.logprobs is None or not text:
        return None
    return {"content": [scored(each) for each in score(text, request.logprobs)], "refusal": None}


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "bytes": list(token.encode("utf-8", "replace")), "logprob": logprob}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _logprobs(body: Mapping[str, Any]) -> int | None:
    top = read.whole(body, "top_logprobs", 0, _MOST_LOGPROBS)
    if read.flag(body, "logprobs"):
        return top or 0
    if top is not None:
        raise BadRequestError("top_logprobs needs logprobs to be true.", "top_logprobs")
    return None


def _turns(messages: Any) -> tuple[list[Turn], int]:
    """The turns, and how many pictures, files and sounds are in them."""
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("You must provide a non-empty array of messages.", "messages")
    pictures = 0
    turns = []
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequestError(f"messages[{i}] must be an object.", f"messages[{i}]")
        turns.append(_turn(message, i))
        content = message.get("content")
        if isinstance(content, list):
            pictures += sum("text" not in part for part in content)
    check_results(messages)
    return turns, pictures


def _turn(message: dict[str, Any], i: int) -> Turn:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequestError(f"messages[{i}].role must be one of {', '.join(_ROLES)}.", f"messages[{i}].role")
    content = message.get("content")
    if role == "assistant" and message.get("tool_calls"):
        return Turn("call", "\n".join(map(read_call, read.objects(message, "tool_calls", f"messages[{i}]."))))
    if isinstance(content, str):
        return Turn(_ROLES[role], content)
    if content is None and role in ("assistant", "function"):
        return Turn(_ROLES[role], "")
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in content
    ):
        return Turn(_ROLES[role], "\n".join(part["text"] for part in content if isinstance(part.get("text"), str)))
    raise BadRequestError(f"messages[{i}].content must be a string or an array of parts.", f"messages[{i}].content")
