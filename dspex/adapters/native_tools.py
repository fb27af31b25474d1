"""Native function calling: tools given to the LM's API, and the calls that come back beside the text.

A signature with an input of type `Tool` or ``list[Tool]`` and an output of type `ToolCalls` asks for it; both fields
are then left out of the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dspex.adapters.formatting import jsonable
from dspex.adapters.parsing import UNREADABLE, read_json
from dspex.adapters.plan import plan_of, without
from dspex.adapters.types.tool import Tool, ToolCallResults, ToolCalls
from dspex.errors import UsageError

TOOL_ARGUMENTS = ("tools", "tool_choice", "parallel_tool_calls")


def offer_tools(
    signature: Any, inputs: Mapping[str, Any], lm: Any, lm_kwargs: dict[str, Any], parallel: bool | None
) -> Any:
    """Put the tools among `inputs` into `lm_kwargs`, for an LM whose API takes tools.

    An LM that cannot call functions gets the signature as it is, and no tool arguments.

    Args:
        signature: The signature; nothing happens unless it has an output of type `ToolCalls`.
        inputs: The values of the input fields by name, with a `Tool` or a list of them.
        lm: The LM that is asked.
        lm_kwargs: The request parameters; changed in place.
        parallel: Whether the LM may call several tools at once; None leaves it to the provider.

    Returns:
        The signature without the tools and the tool calls, which no longer belong in the prompt.

    Raises:
        UsageError: the signature asks for tool calls and takes no tools, or none were given.
    """
    plan = plan_of(signature)
    calls, tools = plan.tool_calls_field, plan.tools_field
    if calls is None:
        return signature
    if tools is None:
        raise UsageError(
            f"You provided an output field {calls} to receive the tool calls information, but did not provide any "
            "tools as the input. Please provide a list of tools as the input by adding an input field with type "
            "`list[dspex.Tool]`."
        )
    if not lm.supports_function_calling:
        refuse_tools(lm_kwargs)
        return signature
    if tools not in inputs:
        raise UsageError(f"The input {tools!r} is missing: it holds the tools that {calls!r} may call.")
    given = inputs[tools]
    offered = given if isinstance(given, (list, tuple)) else [given]
    lm_kwargs["tools"] = [_as_tool(tool).format_as_litellm_function_call() for tool in offered]
    if parallel is not None and lm_kwargs.get("parallel_tool_calls") is None:
        lm_kwargs["parallel_tool_calls"] = parallel
    return without(signature, calls, tools)


def refuse_tools(lm_kwargs: dict[str, Any]) -> None:
    """Take everything about tools out of `lm_kwargs`."""
    for name in TOOL_ARGUMENTS:
        lm_kwargs.pop(name, None)


def tool_calls_of(delivered: Sequence[Any]) -> ToolCalls:
    """Read the tool calls that a provider delivered, in the shape of its chat or its responses API.

    Raises:
        ValueError: they are malformed.
    """
    try:
        return ToolCalls.from_dict_list([_as_call(call) for call in delivered])
    except UNREADABLE as error:
        raise ValueError(f"malformed tool calls: {error}") from error


def tool_calls_in(turn: Mapping[str, Any]) -> tuple[str | None, ToolCalls | None]:
    """Find the field of a turn of a conversation that holds tool calls, and these."""
    for name, value in turn.items():
        if isinstance(value, ToolCalls) or (isinstance(value, dict) and "tool_calls" in value):
            return name, ToolCalls.model_validate(value)
    return None, None


def results_of(calls: ToolCalls | None) -> ToolCallResults | None:
    """Return what the tools answered, where that was kept with the calls."""
    if calls is None or calls.tool_call_results is None:
        return None
    return ToolCallResults.model_validate(calls.tool_call_results)


def native_turn(content: str, calls: ToolCalls, results: ToolCallResults | None) -> list[dict[str, Any]]:
    """Write a past turn with tool calls as the messages of an API that knows tools.

    Calls are shown with their results only, and only where ids say which belongs to which: a provider refuses others.

    Args:
        content: What the LM wrote beside the calls; may be empty.
        calls: The calls.
        results: Their results; None if they are not known.

    Returns:
        One assistant message, and one tool message for each result; no message where there is nothing to show.
    """
    if results is not None and not _belong_together(calls, results):
        results = None
    if results is None:
        return [{"role": "assistant", "content": content}] if content else []
    asked = [_as_message_call(call) for call in calls.tool_calls]
    answered = [
        {
            "role": "tool",
            "tool_call_id": result.call_id,
            "name": result.name,
            "content": _as_text(result.value),
        }
        for result in results.tool_call_results
    ]
    return [{"role": "assistant", "content": content or None, "tool_calls": asked}, *answered]


def _belong_together(calls: ToolCalls, results: ToolCallResults) -> bool:
    ids = [call.id for call in calls.tool_calls]
    return all(ids) and ids == [result.call_id for result in results.tool_call_results]


def _as_tool(tool: Any) -> Tool:
    return tool if isinstance(tool, Tool) else Tool(tool)


def _as_call(delivered: Any) -> dict[str, Any]:
    """One delivered call as a dict of id, name and args; chat nests the function, the responses API does not."""
    function = _get(delivered, "function") or {}
    arguments = _get(function, "arguments") or _get(delivered, "arguments")
    if isinstance(arguments, str):
        arguments = read_json(arguments)
    elif not isinstance(arguments, dict):
        arguments = {}
    return {
        "id": _get(delivered, "call_id") or _get(delivered, "id"),
        "name": _get(function, "name") or _get(delivered, "name"),
        "args": arguments,
    }


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(jsonable(value), ensure_ascii=False)


def _as_message_call(call: Any) -> dict[str, Any]:
    arguments = json.dumps(jsonable(call.args), ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
