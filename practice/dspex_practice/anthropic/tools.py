"""Tools as Anthropic's messages format writes them: offers, choices, and results that must answer calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dspex_practice.api import body as read
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.tools import Toolbox, ToolDemand
from dspex_practice.openai.chat_tools import read_function

_DEMANDS = {"auto": ToolDemand.FREE, "none": ToolDemand.NONE, "any": ToolDemand.SOME, "tool": ToolDemand.SOME}


def read_toolbox(body: Mapping[str, Any]) -> tuple[Toolbox, list[dict[str, Any]]]:
    """The tools of a request, and how they were written."""
    offered = read.objects(body, "tools")
    for i, each in enumerate(offered):
        if each.get("type") not in (None, "custom"):
            raise BadRequestError("is a tool that the practice model does not have", f"tools.{i}.type")
        if not isinstance(each.get("input_schema"), dict) or each["input_schema"].get("type") != "object":
            raise BadRequestError("Input should be a schema of type object", f"tools.{i}.input_schema")
    tools = tuple(read_function(each, f"tools.{i}", "input_schema") for i, each in enumerate(offered))
    choice = read.mapping(body, "tool_choice") or {"type": "auto"}
    kind = read.one_of(choice, "type", _DEMANDS, place="tool_choice.")
    allowed = (read.text(choice, "name", "tool_choice."),) if kind == "tool" else ()
    if allowed and allowed[0] not in [tool.name for tool in tools]:
        raise BadRequestError(f"Tool '{allowed[0]}' not found in provided tools", "tool_choice.tool.name")
    parallel = not read.flag(choice, "disable_parallel_tool_use")
    return Toolbox(tools, _DEMANDS[kind], allowed, parallel), offered


def check_results(messages: Sequence[Mapping[str, Any]]) -> None:
    """Whether results of tools answer the calls of the message before.

    Raises:
        BadRequestError: if one does not, or if a call was left without a result.
    """
    called: set[str] = set()
    for i, message in enumerate(messages):
        answered = _ids(message, "tool_result", "tool_use_id")
        if stray := sorted(answered - called):
            text = f"unexpected `tool_use_id` found in `tool_result` blocks: {stray[0]}"
            raise BadRequestError(f"messages.{i}: {text}", "messages")
        if left := sorted(called - answered):
            text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {left[0]}"
            raise BadRequestError(f"messages.{i - 1}: {text}", "messages")
        called = _ids(message, "tool_use", "id")


def _ids(message: Mapping[str, Any], kind: str, name: str) -> set[str]:
    parts = message["content"]
    return {str(part.get(name)) for part in parts if part.get("type") == kind} if isinstance(parts, list) else set()
