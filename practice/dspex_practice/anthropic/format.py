"""Anthropic's messages format: requests read strictly, answers written as that API writes them.

Streams are written in `anthropic_stream`.
A request that gives no temperature is answered as at 0. A model thinks if its name says `reason` or if it is told to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from dspex_practice.anthropic.tools import check_results, read_toolbox
from dspex_practice.api import body as read
from dspex_practice.api.prompt_cache import SHORT, CacheBlock, Cached
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.request import ModelRequest, reasons
from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import TOKENS_A_MESSAGE, TOKENS_A_PICTURE, count_tokens

_ROLES = ("user", "assistant", "system")
_MOST_STOPS = 100
_MOST_MARKS = 4
_LEAST_BUDGET = 1024
_KEEP = {"5m": SHORT, "1h": 3600.0}
_THINKING = ("enabled", "adaptive", "between_tools", "disabled")
_FINISH = {
    Finish.END: "end_turn",
    Finish.STOP: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.CALLS: "tool_use",
}


@dataclass(frozen=True, slots=True)
class MessagesRequest(ModelRequest):
    """A request as read. `blocks` are the prompt in the order in which it is cached: tools, system, messages."""

    blocks: tuple[CacheBlock, ...] = ()
    prefill: str = ""
    """What the answer is to begin with, and does not repeat."""
    shows_thinking: bool = True


def read_messages(raw: bytes) -> MessagesRequest:
    """Read a request's body.

    Raises:
        BadRequestError: if it is not JSON or not a messages request.
    """
    body = read.load(raw)
    max_tokens = read.whole(body, "max_tokens", 0)
    if max_tokens is None:
        raise BadRequestError("Field required", "max_tokens")
    request = _read(body)
    return replace(request, max_tokens=max_tokens, thinks=_thinks(body, request.model, max_tokens))


def read_count(raw: bytes) -> MessagesRequest:
    """Read a request to count tokens, which needs no ``max_tokens``."""
    return _read(read.load(raw))


def write_count(request: MessagesRequest) -> bytes:
    """The answer of ``/messages/count_tokens``."""
    return orjson.dumps({"input_tokens": request.prompt_tokens})


def write_message(request: MessagesRequest, reply: ModelReply, cached: Cached, tier: str = "standard") -> bytes:
    """A whole answer."""
    return orjson.dumps(
        {
            **head(request),
            "content": content(request, reply),
            "stop_reason": _FINISH[reply.finish],
            "stop_sequence": reply.stopped_by,
            "usage": usage(request, reply, cached, tier),
        }
    )


def head(request: ModelRequest) -> dict[str, Any]:
    """The fields that an answer begins with."""
    return {
        "id": f"msg_practice_{request.digest.hex()[:24]}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
    }


def content(request: MessagesRequest, reply: ModelReply) -> list[dict[str, Any]]:
    """Thinking, text and calls, each a block."""
    blocks: list[dict[str, Any]] = []
    if reply.thinking:
        shown = reply.thinking if request.shows_thinking else ""
        blocks.append({"type": "thinking", "thinking": shown, "signature": request.digest.hex()})
    text = reply.text.removeprefix(request.prefill) if request.prefill else reply.text
    if text:
        blocks.append({"type": "text", "text": text, "citations": None})
    for place, call in enumerate(reply.calls):
        calling = {"type": "tool_use", "id": f"toolu_{request.digest.hex()[:22]}{place:02x}", "name": call.name}
        blocks.append({**calling, "input": call.arguments})
    return blocks


def stop(reply: ModelReply) -> dict[str, Any]:
    """Why the answer ended, in the words of the API."""
    return {"stop_reason": _FINISH[reply.finish], "stop_sequence": reply.stopped_by}


def usage(request: ModelRequest, reply: ModelReply, cached: Cached, tier: str) -> dict[str, Any]:
    """The tokens of a request and its answer, as they are billed."""
    return {
        "input_tokens": request.prompt_tokens - cached.read - cached.written,
        "cache_creation_input_tokens": cached.written,
        "cache_read_input_tokens": cached.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cached.written - cached.written_long,
            "ephemeral_1h_input_tokens": cached.written_long,
        },
        "output_tokens": reply.tokens,
        "output_tokens_details": {"thinking_tokens": reply.thinking_tokens},
        "service_tier": tier,
    }


def _read(body: Mapping[str, Any]) -> MessagesRequest:
    model = read.model_name(body)
    messages = _messages(body)
    toolbox, offered = read_toolbox(body)
    system = _system(body.get("system"))
    blocks = [_block(each, orjson.dumps(each).decode(), "tools") for each in offered]
    blocks += [_block(each, each["text"], "system") for each in system]
    blocks += [block for i, message in enumerate(messages) for block in _message_blocks(message, i)]
    blocks = _marked(body, blocks)
    turns = [Turn("system", "\n".join(each["text"] for each in system))] if system else []
    turns += [turn for message in messages for turn in _turns(message)]
    digest = read.digest(body, "messages")
    last = messages[-1]
    return MessagesRequest(
        model=model,
        question=Question(
            turns=turns,
            schema=_schema(body),
            json_only=_schema(body) is not None,
            temperature=read.number(body, "temperature", 0, 1, 0.0),
            seed=int.from_bytes(digest[:8], "big"),
        ),
        digest=digest,
        prompt_tokens=sum(block.tokens for block in blocks),
        stop=read.strings(body, "stop_sequences", _MOST_STOPS),
        stream=read.flag(body, "stream"),
        tools=toolbox,
        thinks=reasons(model),
        blocks=tuple(blocks),
        prefill="\n".join(turn.text for turn in _turns(last)) if last["role"] == "assistant" else "",
        shows_thinking=(read.mapping(body, "thinking") or {}).get("display") != "omitted",
    )


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = read.objects(body, "messages")
    if not messages:
        raise BadRequestError("at least one message is required", "messages")
    for i, message in enumerate(messages):
        if message.get("role") not in _ROLES:
            raise BadRequestError("Input should be 'user', 'assistant' or 'system'", f"messages.{i}.role")
        given = message.get("content")
        if not isinstance(given, str) and not (
            isinstance(given, list) and all(isinstance(each, dict) for each in given)
        ):
            raise BadRequestError("Input should be a string or a list of blocks", f"messages.{i}.content")
        if not given and (message["role"] == "user" or i < len(messages) - 1):
            raise BadRequestError(f"messages.{i}: all messages must have non-empty content", "messages")
    if messages[0]["role"] == "assistant":
        raise BadRequestError('first message must use the "user" role', "messages")
    check_results(messages)
    return messages


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = message["content"]
    return [{"type": "text", "text": given}] if isinstance(given, str) else given


def _turns(message: Mapping[str, Any]) -> Iterator[Turn]:
    """The turns of a message: results of tools are turns of their own, before the text."""
    parts = _parts(message)
    called = [part for part in parts if part.get("type") == "tool_use"]
    text = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    for part in parts:
        if part.get("type") == "tool_result":
            yield Turn("tool", _result(part.get("content")))
    if called:
        yield Turn("call", text)
    elif text or not any(part.get("type") == "tool_result" for part in parts):
        yield Turn(str(message["role"]), text)


def _result(given: Any) -> str:
    if isinstance(given, list):
        return "\n".join(str(part.get("text", "")) for part in given if isinstance(part, dict))
    return str(given or "")


def _message_blocks(message: Mapping[str, Any], i: int) -> Iterator[CacheBlock]:
    for j, part in enumerate(_parts(message)):
        text = part.get("text")
        if part.get("type") in ("image", "document"):
            block = _block(part, orjson.dumps(part).decode(), f"messages.{i}.content.{j}", TOKENS_A_PICTURE)
        else:
            written = text if isinstance(text, str) else orjson.dumps(part).decode()
            block = _block(part, written, f"messages.{i}.content.{j}")
        extra = TOKENS_A_MESSAGE if j == 0 else 0
        yield replace(block, text=f"{message['role']}:{block.text}", tokens=block.tokens + extra)


def _block(part: Mapping[str, Any], text: str, place: str, tokens: int | None = None) -> CacheBlock:
    keep = _keep(part.get("cache_control"), place)
    return CacheBlock(text, count_tokens(text) if tokens is None else tokens, keep)


def _keep(control: Any, place: str) -> float:
    if control is None:
        return 0.0
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        raise BadRequestError("Input should be of type ephemeral", f"{place}.cache_control")
    return _KEEP[read.one_of(control, "ttl", _KEEP, "5m", f"{place}.cache_control.")]


def _marked(body: Mapping[str, Any], blocks: list[CacheBlock]) -> list[CacheBlock]:
    """`blocks` with the mark that a request as a whole puts on its last one; no more than four of them."""
    if keep := _keep(body.get("cache_control"), "body"):
        blocks = [*blocks[:-1], replace(blocks[-1], keep=keep)]
    marks = sum(block.keep > 0 for block in blocks)
    if marks > _MOST_MARKS:
        raise BadRequestError(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.")
    return blocks


def _system(given: Any) -> Sequence[Mapping[str, Any]]:
    if given is None or given == "":
        return []
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    if isinstance(given, list) and all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in given):
        return given
    raise BadRequestError("Input should be a string or a list of text blocks", "system")


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    config = read.mapping(body, "output_config") or {}
    wanted = config.get("format", body.get("output_format"))
    if wanted is None:
        return None
    if (
        not isinstance(wanted, dict)
        or wanted.get("type") != "json_schema"
        or not isinstance(wanted.get("schema"), dict)
    ):
        raise BadRequestError("Input should be a json_schema with a schema", "output_config.format")
    schema: dict[str, Any] = wanted["schema"]
    return schema


def _thinks(body: Mapping[str, Any], model: str, max_tokens: int) -> bool:
    thinking = read.mapping(body, "thinking")
    if thinking is None:
        return reasons(model)
    kind = thinking.get("type")
    if kind not in _THINKING:
        raise BadRequestError(f"Input tag should be one of {', '.join(_THINKING)}", "thinking.type")
    if kind == "enabled":
        budget = read.whole(thinking, "budget_tokens", _LEAST_BUDGET)
        if budget is None:
            raise BadRequestError("Field required", "thinking.enabled.budget_tokens")
        if budget >= max_tokens:
            raise BadRequestError("`max_tokens` must be greater than `thinking.budget_tokens`", "max_tokens")
        if body.get("temperature") not in (None, 1):
            raise BadRequestError("`temperature` may only be set to 1 when thinking is enabled", "temperature")
    return bool(kind != "disabled")
