"""What crosses between an `RLM` and its interpreter: tools and values go in, submitted outputs come out."""

from __future__ import annotations

import base64
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from dspex.adapters.parsing import parse_value
from dspex.adapters.types.tool import Tool
from dspex.primitives.sandbox_serializable import SandboxSerializable


def interpreter_tool(tool: Tool) -> Callable[..., Any]:
    """Make a function that calls `tool` and has the name, docstring and parameters of the tool's own function."""
    function = tool.func
    awaited = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    invoke: Any = _awaited_call(tool) if awaited else _plain_call(tool)
    functools.update_wrapper(invoke, function)
    invoke.__signature__ = inspect.signature(function)
    return invoke  # type: ignore[no-any-return]


def read_submitted(
    signature: Any, submitted: Any, output_names: Sequence[str]
) -> tuple[dict[str, Any] | None, str | None]:
    """Convert the outputs that the code submitted to the signature's types.

    Args:
        signature: The signature with the output fields.
        submitted: What the code gave to ``SUBMIT``, a dict by output field.
        output_names: The output fields to read.

    Returns:
        The outputs and None or, when they do not fit, None and what is wrong in words for the LM.
    """
    names = list(output_names)
    if not isinstance(submitted, dict):
        return None, f"[Error] FINAL returned {type(submitted).__name__}, expected dict with fields: {names}"
    missing = sorted(set(names) - set(submitted))
    if missing:
        return None, f"[Error] Missing output fields: {missing}. Use SUBMIT({', '.join(names)})"
    parsed, errors = {}, []
    for name in names:
        annotation = signature.output_fields[name].annotation
        try:
            parsed[name] = parse_value(submitted[name], annotation)
        except ValueError as error:
            expected = getattr(annotation, "__name__", annotation)
            errors.append(f"{name}: expected {expected}, got {type(submitted[name]).__name__}: {error}")
    return (None, "[Type Error] " + "; ".join(errors)) if errors else (parsed, None)


def code_to_make(name: str, value: SandboxSerializable) -> tuple[str, dict[str, str]]:
    """Write the code that makes `value` in an interpreter.

    Args:
        name: The variable to assign it to.
        value: The value, which knows how to be sent (`SandboxSerializable`).

    Returns:
        The code, and the variables that it needs, by name.
    """
    payload: Any = value.to_sandbox()
    raw = f"_raw_{name}"
    lines, variables = [], {}
    try:
        variables[raw] = payload.decode("utf-8") if isinstance(payload, bytes) else str(payload)
    except UnicodeDecodeError:
        variables[f"{raw}_base64"] = base64.b64encode(payload).decode("ascii")
        lines += ["import base64", f"{raw} = base64.b64decode({raw}_base64)"]
    setup = value.sandbox_setup()
    lines += [*([setup] if setup else []), value.sandbox_assignment(name, raw)]
    return "\n".join(lines), variables


def _plain_call(tool: Tool) -> Callable[..., Any]:
    return lambda **kwargs: tool(**kwargs)


def _awaited_call(tool: Tool) -> Callable[..., Any]:
    async def invoke(**kwargs: Any) -> Any:
        return await tool.acall(**kwargs)

    return invoke
