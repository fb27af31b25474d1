"""The names in an `RLM`: its inputs and tools share one namespace with what it provides itself."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from dspex.adapters.types.tool import Tool
from dspex.primitives.facade import is_reserved_sandbox_name


def tools_by_name(tools: Sequence[Any] | None) -> dict[str, Tool]:
    """Make each of the tools a `Tool`, by name.

    Raises:
        TypeError: they are no list, or one cannot be called.
        ValueError: two have the same name.
    """
    if isinstance(tools, dict):
        raise TypeError(
            "tools must be a list, not a dict. Change tools={'name': func} to tools=[func] (tool names are inferred "
            "from function names, or use dspex.Tool(func, name='custom_name'))"
        )
    named: dict[str, Tool] = {}
    for given in tools or ():
        if not isinstance(given, Tool) and not callable(given):
            raise TypeError(f"Tool {given!r} must be callable, got {type(given).__name__}")
        tool = given if isinstance(given, Tool) else Tool(given)
        if tool.name in named:
            raise ValueError(f"Duplicate tool name '{tool.name}'. Name one: dspex.Tool(func, name='...')")
        named[str(tool.name)] = tool
    return named


def check_names(
    signature: Any, tools: dict[str, Tool], own_functions: Collection[str], own_results: Collection[str]
) -> None:
    """Refuse names that already mean something else, in the interpreter or in the prediction.

    Args:
        signature: The signature of the `RLM`.
        tools: The user's tools by name.
        own_functions: The names of the functions that `RLM` gives to the code.
        own_results: The fields that `RLM` adds to the prediction.

    Raises:
        ValueError: says which name, and with what it conflicts.
    """

    def taken(names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if name in own_functions or is_reserved_sandbox_name(name))

    for name in tools:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"Invalid tool name '{name}': must be a valid Python identifier and not a keyword")
        if taken([name]):
            raise ValueError(f"Tool name '{name}' conflicts with built-in sandbox function")
    inputs = signature.input_fields
    if "interpreter_factory" in inputs:
        raise ValueError("'interpreter_factory' is reserved for RLM runtime configuration, not a signature input.")
    if taken(inputs):
        raise ValueError(f"Input fields conflict with built-in sandbox functions: {taken(inputs)}")
    if set(inputs) & set(tools):
        raise ValueError(f"Input fields conflict with user tools: {sorted(set(inputs) & set(tools))}")
    outputs = sorted(set(signature.output_fields) & set(own_results))
    if outputs:
        raise ValueError(f"Output fields conflict with RLM result metadata: {outputs}")


def check_inputs(signature: Any, inputs: dict[str, Any]) -> None:
    """Refuse a call whose inputs are not exactly those of the signature.

    Args:
        signature: The signature.
        inputs: The values by name.

    Raises:
        ValueError: names the inputs that are missing or unknown.
    """
    names = set(signature.input_fields)
    unexpected, missing = sorted(set(inputs) - names), sorted(names - set(inputs))
    if unexpected:
        raise ValueError(f"RLM: Unexpected inputs not declared in the signature: {unexpected}")
    if missing:
        raise ValueError(f"RLM: Missing required inputs: {missing}")
