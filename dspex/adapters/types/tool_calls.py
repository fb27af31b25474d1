"""What an LM asks to have called (`ToolCalls`), and what came of it (`ToolCallResults`)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pydantic

from dspex.adapters.types.base_type import Type


class ToolCalls(Type):
    """The calls that an LM asks for: an output of a signature with an input ``tools: list[dspex.Tool]``."""

    class ToolCall(Type):
        """One call: the name of a tool, and arguments for it. `id` is the provider's, for the result to refer to."""

        id: str | None = None
        name: str
        args: dict[str, Any] = pydantic.Field(json_schema_extra={"additionalProperties": True})

        @classmethod
        def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
            return _without(
                handler.resolve_ref_schema(super().__get_pydantic_json_schema__(core_schema, handler)), "id"
            )

        def format(self) -> dict[str, Any]:  # type: ignore[override]
            """The call as an LM writes it."""
            return {"name": self.name, "args": self.args}

        def execute(self, functions: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
            """Call the function and return its result; of an ``async`` one, return what is to be awaited.

            Args:
                functions: the functions or tools, by name or as a list. Without it, the function is looked for by its
                    name among the local and global variables of the caller.

            Raises:
                ValueError: no function has that name.
                RuntimeError: the function failed; its own error is the cause.
            """
            if functions is None:
                caller = sys._getframe(1)
                functions = {**caller.f_globals, **caller.f_locals}
            function = _find(self.name, functions)
            if function is None:
                raise ValueError(
                    f"Tool function {self.name!r} not found. Please pass the tool functions to the `execute` method."
                )
            try:
                return _call(function, self.args or {})
            except Exception as error:
                raise RuntimeError(f"Error executing tool {self.name!r}: {error}") from error

    tool_calls: list[ToolCall]
    tool_call_results: Any | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return _without(
            handler.resolve_ref_schema(super().__get_pydantic_json_schema__(core_schema, handler)), "tool_call_results"
        )

    @classmethod
    def from_dict_list(cls, tool_calls_dicts: list[dict[str, Any]]) -> ToolCalls:
        """Make calls of dicts, each with `name` and `args`, or as providers write them."""
        return cls(tool_calls=[cls.ToolCall(**_normal(call)) for call in tool_calls_dicts])

    @classmethod
    def description(cls) -> str:
        """How prompts describe the type."""
        return (
            "Tool calls must be a JSON object with `tool_calls`, a list of calls. "
            "Each call must include `name` and `args`. "
            'Example: {"tool_calls": [{"name": "search", "args": {"query": "cats"}}]}'
        )

    def format(self) -> dict[str, Any]:  # type: ignore[override]
        """The calls as an LM writes them."""
        return {"tool_calls": [call.format() for call in self.tool_calls]}

    @pydantic.model_serializer()
    def serialize_model(self) -> Any:
        """The calls, with their results where there are any."""
        plain = self.format()
        if self.tool_call_results is not None:
            adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(type(self.tool_call_results))
            plain["tool_call_results"] = adapter.dump_python(self.tool_call_results, mode="json")
        return plain

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a dict with `tool_calls`, a list of calls, or one call, in our keys or in a provider's."""
        if isinstance(data, cls):
            return data
        if isinstance(data, list) and all(_is_call(call) for call in data):
            return {"tool_calls": [cls.ToolCall(**_normal(call)) for call in data]}
        if isinstance(data, dict) and isinstance(data.get("tool_calls"), list):
            calls = data["tool_calls"]
            read = {"tool_calls": [cls.ToolCall(**_normal(call)) if isinstance(call, dict) else call for call in calls]}
            return {**{key: data[key] for key in ("tool_call_results",) if key in data}, **read}
        if isinstance(data, dict) and "tool_calls" not in data and _is_call(data):
            return {"tool_calls": [cls.ToolCall(**_normal(data))]}
        raise ValueError(
            f"Received invalid value for `dspex.ToolCalls`: {data}. "
            "Give {'tool_calls': [{'name': ..., 'args': ...}]}, a list of such calls, or one of them."
        )


class ToolCallResults(pydantic.BaseModel):
    # No docstring: pydantic would show it to an LM as a part of the type's schema.

    class ToolCallResult(pydantic.BaseModel):
        call_id: str | None = None
        name: str
        value: Any
        is_error: bool = False

    tool_call_results: list[ToolCallResult]

    @classmethod
    def from_tool_calls_and_values(
        cls,
        tool_calls: list[ToolCalls.ToolCall] | ToolCalls,
        values: list[Any],
        is_errors: list[bool] | None = None,
    ) -> ToolCallResults:
        """Pair calls with what they returned, in order.

        Args:
            tool_calls: The calls.
            values: The value of each call, or the error message of one that failed.
            is_errors: Whether each value is an error; None if none is.

        Raises:
            ValueError: these do not have the same length.
        """
        calls = tool_calls.tool_calls if isinstance(tool_calls, ToolCalls) else tool_calls
        if len(calls) != len(values):
            raise ValueError(
                f"`tool_calls` and `values` must have the same length; they have {len(calls)} and {len(values)}."
            )
        errors = [False] * len(calls) if is_errors is None else is_errors
        if len(errors) != len(calls):
            raise ValueError(
                "`is_errors` must have the same length as `tool_calls` when provided; they have "
                f"{len(errors)} and {len(calls)}."
            )
        return cls(
            tool_call_results=[
                cls.ToolCallResult(call_id=call.id, name=call.name, value=value, is_error=is_error)
                for call, value, is_error in zip(calls, values, errors, strict=True)
            ]
        )

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a dict with `tool_call_results`, a list of results, or one result."""
        if isinstance(data, cls) or (isinstance(data, dict) and "tool_call_results" in data):
            return data
        if isinstance(data, list):
            return {"tool_call_results": data}
        if isinstance(data, dict) and {"name", "value"} <= set(data):
            return {"tool_call_results": [data]}
        raise ValueError(
            f"Received invalid value for `dspex.ToolCallResults`: {data}. Give a list of dicts with `name` and `value`."
        )


def _without(schema: dict[str, Any], field: str) -> dict[str, Any]:
    """`schema` without a field that is for programs to set, not for LMs."""
    schema.get("properties", {}).pop(field, None)
    if field in schema.get("required", ()):
        schema["required"] = [name for name in schema["required"] if name != field]
    return schema


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict):
        return False
    return "function" in call or ("name" in call and ("args" in call or "arguments" in call))


def _normal(call: Any) -> dict[str, Any]:
    """A call in our keys, whichever of the known shapes it has; arguments given as text are read as JSON."""
    if not isinstance(call, dict):
        raise ValueError(f"Received invalid tool call value for `dspex.ToolCalls`: {call}")
    if "function" in call:
        function = call["function"] or {}
        if not isinstance(function, dict):
            raise ValueError(f"Received invalid function value for `dspex.ToolCalls`: {function}")
        name, arguments = function.get("name") or call.get("name"), function.get("arguments", {})
    else:
        name, arguments = call.get("name"), call.get("args", call.get("arguments", {}))
    if isinstance(arguments, str):
        from json_repair import loads  # slow to import

        arguments = loads(arguments)
    elif not isinstance(arguments, dict):
        arguments = {}
    return {"id": call.get("id") or call.get("call_id"), "name": name, "args": arguments}


def _find(name: str, functions: Mapping[str, Any] | Sequence[Any]) -> Callable[..., Any] | None:
    if isinstance(functions, Mapping):
        return functions.get(name)
    for function in functions:
        if getattr(function, "name", getattr(function, "__name__", None)) == name:
            return function  # type: ignore[no-any-return]
    return None


def _call(function: Any, args: Mapping[str, Any]) -> Any:
    """Of an asynchronous tool, `acall`, so that the caller can await it."""
    is_async = inspect.iscoroutinefunction(getattr(function, "func", None)) and hasattr(function, "acall")
    return function.acall(**args) if is_async else function(**args)
