"""OpenAI's Responses format: requests read strictly, answers written as that API writes them.

Streams are written in `responses_stream`.
`previous_response_id` names an answer that this server gave not long ago (see `Conversations`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.clock import CREATED
from dspex_practice.model.errors import BadRequestError, Reason, RefusedError
from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.logprobs import score
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.request import ModelRequest, reasons
from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import TOKENS_A_PICTURE
from dspex_practice.model.tools import Toolbox
from dspex_practice.openai.chat_format import call_id, scored, turn_tokens
from dspex_practice.openai.chat_tools import read_choice, read_function, tokens_of

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_MOST_LOGPROBS = 20
_KEPT = 1000
_LOGPROBS = "message.output_text.logprobs"
_IGNORED = ("reasoning", "item_reference")
"""Items of the input that say nothing to the learner."""


@dataclass(frozen=True, slots=True)
class ResponsesRequest(ModelRequest):
    """A request as read. `body` is as it came, for the answer repeats much of it."""

    body: Mapping[str, Any] = field(default_factory=dict)
    summary: bool = False
    """Whether thinking is shown."""
    turns: tuple[Turn, ...] = ()
    """Those of `question` without the instructions, which are not carried on."""


class Conversations:
    """What recent answers stood in, for `previous_response_id`."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, tuple[Turn, ...]] = OrderedDict()

    def before(self, response_id: str) -> tuple[Turn, ...]:
        """The turns up to and with an earlier answer.

        Raises:
            RefusedError: if no answer of that id is kept.
        """
        if response_id not in self._turns:
            message = f"Previous response with id '{response_id}' not found."
            raise RefusedError(Reason.BAD_REQUEST, message, param="previous_response_id")
        return self._turns[response_id]

    def keep(self, request: ResponsesRequest, reply: ModelReply) -> None:
        """Keep the turns of an answer, unless the request says not to store it."""
        if request.body.get("store") is False:
            return
        said = [Turn("call", call.written) for call in reply.calls] or [Turn("assistant", reply.text)]
        self._turns[response_id(request)] = (*request.turns, *said)
        if len(self._turns) > _KEPT:
            self._turns.popitem(last=False)


def read_responses(raw: bytes, conversations: Conversations) -> ResponsesRequest:
    """Read a request's body.

    Raises:
        RefusedError: if it is not JSON or not a request of this API.
    """
    body = read.load(raw)
    model = read.model_name(body)
    previous = body.get("previous_response_id")
    before = conversations.before(str(previous)) if previous is not None else ()
    turns, pictures = _turns(body.get("input"), answered=bool(before))
    turns = [*before, *turns]
    instructions = body.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise BadRequestError("instructions must be a string.", "instructions")
    prompted = [Turn("system", instructions), *turns] if instructions else turns
    schema, json_only = _text_format(body)
    toolbox, tool_tokens = _toolbox(body)
    digest = read.digest(body, "responses")
    reasoning = read.mapping(body, "reasoning") or {}
    return ResponsesRequest(
        model=model,
        question=Question(
            turns=prompted,
            schema=schema,
            json_only=json_only,
            temperature=read.number(body, "temperature", 0, 2, 0.0),
            seed=int.from_bytes(digest[:8], "big"),
        ),
        digest=digest,
        prompt_tokens=turn_tokens(prompted) + pictures * TOKENS_A_PICTURE + tool_tokens,
        max_tokens=read.whole(body, "max_output_tokens", 16),
        stream=read.flag(body, "stream"),
        tools=toolbox,
        thinks=reasons(model),
        logprobs=_logprobs(body),
        body=body,
        summary=reasoning.get("summary") is not None,
        turns=tuple(turns),
    )


def write_response(request: ResponsesRequest, reply: ModelReply) -> bytes:
    """A whole answer."""
    return orjson.dumps(response_object(request, reply))


def response_object(request: ResponsesRequest, reply: ModelReply | None) -> dict[str, Any]:
    """The answer; without a reply, as it stands before there is any."""
    body = request.body
    cut = reply is not None and reply.finish is Finish.LENGTH
    status = "in_progress" if reply is None else "incomplete" if cut else "completed"
    text = body.get("text")
    return {
        "id": response_id(request),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "model": request.model,
        "output": [] if reply is None else output_items(request, reply),
        "parallel_tool_calls": request.tools.parallel,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": text if isinstance(text, dict) and "format" in text else {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None if reply is None else _usage(request, reply),
        "metadata": body.get("metadata") or {},
    }


def output_items(request: ResponsesRequest, reply: ModelReply) -> list[dict[str, Any]]:
    """Thinking, calls and text, each an item."""
    items: list[dict[str, Any]] = []
    if reply.thinking:
        summary = [{"type": "summary_text", "text": reply.thinking}] if request.summary else []
        items.append({"id": item_id(request, "rs", 0), "type": "reasoning", "summary": summary})
    for place, call in enumerate(reply.calls):
        items.append(
            {
                "id": item_id(request, "fc", place),
                "type": "function_call",
                "status": "completed",
                "call_id": call_id(request, 0, place),
                "name": call.name,
                "arguments": call.written,
            }
        )
    if reply.text or not reply.calls:
        status = "incomplete" if reply.finish is Finish.LENGTH else "completed"
        message = {"id": item_id(request, "msg", 0), "type": "message", "role": "assistant", "status": status}
        items.append({**message, "content": [text_part(request, reply.text)]})
    return items


def text_part(request: ModelRequest, text: str) -> dict[str, Any]:
    """The text of a message, with its tokens' scores if the request wants them."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": scores(request, text)}


def scores(request: ModelRequest, text: str) -> list[dict[str, Any]]:
    """The tokens' pseudo scores; empty if the request wants none."""
    return [] if request.logprobs is None else [scored(each) for each in score(text, request.logprobs)]


def response_id(request: ModelRequest) -> str:
    """The id of the answer, which follows from the request."""
    return f"resp_practice_{request.digest.hex()}"


def item_id(request: ModelRequest, kind: str, place: int) -> str:
    """The id of an item of the answer; `place` counts items of its `kind`."""
    return f"{kind}_practice_{request.digest.hex()[:24]}{place}"


def _usage(request: ModelRequest, reply: ModelReply) -> dict[str, Any]:
    return {
        "input_tokens": request.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.tokens,
        "output_tokens_details": {"reasoning_tokens": reply.thinking_tokens},
        "total_tokens": request.prompt_tokens + reply.tokens,
    }


def _turns(given: Any, *, answered: bool) -> tuple[list[Turn], int]:
    """The turns of an input, and how many pictures are in it. `answered`: calls may have been made before it."""
    if isinstance(given, str):
        return [Turn("user", given)], 0
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise BadRequestError("input must be a string or a non-empty array of items.", "input")
    turns = []
    pictures = 0
    called: set[str] = set()
    for i, item in enumerate(given):
        kind = item.get("type", "message")
        if kind == "message":
            turn, seen = _message(item, f"input[{i}]")
            turns.append(turn)
            pictures += seen
        elif kind == "function_call":
            called.add(str(item.get("call_id")))
            turns.append(Turn("call", f"{read.text(item, 'name')} {read.text(item, 'arguments')}"))
        elif kind == "function_call_output":
            if str(item.get("call_id")) not in called and not answered:
                message = f"No tool call found for function call output with call_id {item.get('call_id')}."
                raise BadRequestError(message, "input")
            turns.append(Turn("tool", _text(item.get("output"), f"input[{i}].output")[0]))
        elif kind not in _IGNORED:
            raise BadRequestError(f"input[{i}] is of a type that the practice model does not take.", f"input[{i}].type")
    if not turns:
        raise BadRequestError("input holds no message.", "input")
    return turns, pictures


def _message(item: Mapping[str, Any], place: str) -> tuple[Turn, int]:
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequestError(f"{place}.role must be one of {', '.join(_ROLES)}.", f"{place}.role")
    text, pictures = _text(item.get("content"), f"{place}.content")
    return Turn(_ROLES[role], text), pictures


def _text(content: Any, place: str) -> tuple[str, int]:
    if isinstance(content, str):
        return content, 0
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
        return "\n".join(texts), len(content) - len(texts)
    raise BadRequestError(f"{place} must be a string or an array of parts.", place)


def _text_format(body: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    wanted = (read.mapping(body, "text") or {}).get("format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None, False
    if kind == "json_object":
        return None, True
    if kind != "json_schema":
        raise BadRequestError("text.format.type must be text, json_object or json_schema.", "text.format.type")
    if not isinstance(wanted.get("name"), str):
        raise BadRequestError("Missing required parameter: 'text.format.name'.", "text.format.name")
    if not isinstance(wanted.get("schema"), dict):
        raise BadRequestError("text.format.schema must be an object.", "text.format.schema")
    return wanted["schema"], True


def _toolbox(body: Mapping[str, Any]) -> tuple[Toolbox, int]:
    offered = read.objects(body, "tools")
    for i, each in enumerate(offered):
        if each.get("type") != "function":
            raise BadRequestError(f"tools[{i}] is of a type that the practice model does not have.", f"tools[{i}].type")
    tools = tuple(read_function(each, f"tools[{i}]") for i, each in enumerate(offered))
    demand, allowed = read_choice(body.get("tool_choice"), tools) if tools else (Toolbox().demand, ())
    return Toolbox(tools, demand, allowed, read.flag(body, "parallel_tool_calls", True)), tokens_of(offered)


def _logprobs(body: Mapping[str, Any]) -> int | None:
    top = read.whole(body, "top_logprobs", 0, _MOST_LOGPROBS)
    include = body.get("include")
    return (top or 0) if isinstance(include, list) and _LOGPROBS in include else None
