"""Tools as OpenAI's chat format writes them: offers, choices, calls and their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.tokens import count_tokens
from dspex_practice.model.tools import OfferedTool, Toolbox, ToolDemand

_DEMANDS = {"auto": ToolDemand.FREE, "none": ToolDemand.NONE, "required": ToolDemand.SOME}


def read_toolbox(body: Mapping[str, Any]) -> tuple[Toolbox, int]:
    """The tools of a request, and how many tokens they take."""
    offered = read.objects(body, "tools")
    tools = tuple(_tool(each, i) for i, each in enumerate(offered))
    demand, allowed = read_choice(body.get("tool_choice"), tools)
    parallel = read.flag(body, "parallel_tool_calls", True)
    return Toolbox(tools, demand, allowed, parallel), tokens_of(offered)


def tokens_of(offered: Sequence[Mapping[str, Any]]) -> int:
    """How many tokens tools take in a prompt."""
    return count_tokens(orjson.dumps(offered).decode()) if offered else 0


def read_choice(choice: Any, tools: Sequence[OfferedTool]) -> tuple[ToolDemand, tuple[str, ...]]:
    """What `choice` demands, and the names that it allows."""
    if choice is None:
        return ToolDemand.FREE, ()
    if not tools:
        raise BadRequestError("tool_choice is only allowed when tools are specified.", "tool_choice")
    if isinstance(choice, str) and choice in _DEMANDS:
        return _DEMANDS[choice], ()
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "allowed_tools":
        inner = choice.get("allowed_tools", choice)
        named = tuple(_name(each) for each in read.objects(inner, "tools", "tool_choice."))
        demand = ToolDemand.SOME if inner.get("mode") == "required" else ToolDemand.FREE
    elif kind == "function":
        demand, named = ToolDemand.SOME, (_name(choice),)
    else:
        raise BadRequestError("tool_choice must be none, auto, required or a function.", "tool_choice")
    known = {tool.name for tool in tools}
    if unknown := [name for name in named if name not in known]:
        raise BadRequestError(f"tool_choice names {unknown[0]!r}, which is none of the tools.", "tool_choice")
    return demand, named


def read_function(function: Mapping[str, Any], place: str, schema: str = "parameters") -> OfferedTool:
    """A tool from its name, description and the schema of its parameters."""
    name = read.text(function, "name", f"{place}.")
    parameters = read.mapping(function, schema, f"{place}.") or {}
    return OfferedTool(name, str(function.get("description") or ""), parameters)


def check_results(messages: Sequence[Mapping[str, Any]]) -> None:
    """Whether results of tools answer calls that were made.

    Raises:
        BadRequestError: if one does not, or if a call was left without a result.
    """
    open_calls: set[str] = set()
    for i, message in enumerate(messages):
        if message.get("role") == "tool":
            answered = str(message.get("tool_call_id"))
            if answered not in open_calls:
                text = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                raise BadRequestError(f"Invalid parameter: {text}", f"messages[{i}].role")
            open_calls.discard(answered)
        elif open_calls:
            text = "An assistant message with 'tool_calls' must be followed by tool messages for each 'tool_call_id'."
            raise BadRequestError(f"{text} Missing: {', '.join(sorted(open_calls))}", f"messages[{i}].role")
        else:
            open_calls = {str(call.get("id")) for call in message.get("tool_calls") or []}


def read_call(call: Mapping[str, Any]) -> str:
    """A call that was made, as text."""
    function = call.get("function")
    if not isinstance(function, dict):
        raise BadRequestError("A tool call needs a function.", "messages.tool_calls.function")
    return f"{read.text(function, 'name')} {read.text(function, 'arguments')}"


def _tool(each: Mapping[str, Any], i: int) -> OfferedTool:
    if each.get("type") != "function" or not isinstance(each.get("function"), dict):
        raise BadRequestError(f"tools[{i}] must be a function.", f"tools[{i}].type")
    return read_function(each["function"], f"tools[{i}].function")


def _name(each: Mapping[str, Any]) -> str:
    function = each.get("function")
    return read.text(function if isinstance(function, dict) else each, "name", "tool_choice.")
