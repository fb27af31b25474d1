"""`Tool`: a function that an LM may ask to have called, with what the LM has to know of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.langchain_tool import langchain_tool_arguments
from dspex.adapters.types.mcp_tool import mcp_tool_arguments
from dspex.adapters.types.tool_calls import ToolCallResults, ToolCalls
from dspex.adapters.types.tool_schema import arguments_of, convert_input_schema_to_tool_args
from dspex.bridge import as_coroutine, in_sync_code, run_sync, wait_for
from dspex.callback import notify_callbacks
from dspex.observability.callbacks import callbacks_for
from dspex.settings import settings

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from mcp.types import Tool as MCPTool

__all__ = ["Tool", "ToolCallResults", "ToolCalls", "convert_input_schema_to_tool_args"]


class Tool(Type):
    """A function for an LM to use: ``Tool(search)``, or with a description, ``Tool(search, desc="Find pages")``.

    What is not given is read off the function: its name, its docstring, its arguments' type hints and defaults. Called
    with keyword arguments as an LM wrote them, a tool checks them, converts them to the types of the function, and
    calls it. `func` may be a plain function or an ``async`` one, a method, a partial, or any object that can be called.

    Attributes:
        args: the JSON schema of each argument.
        arg_types: the Python type of each argument.
        arg_desc: what each argument means, where it was given.
        has_kwargs: whether the function takes arguments beside those.
    """

    func: Callable[..., Any]
    name: str | None = None
    desc: str | None = None
    args: dict[str, Any] | None = None
    arg_types: dict[str, Any] | None = None
    arg_desc: dict[str, str] | None = None
    has_kwargs: bool = False

    def __init__(
        self,
        func: Callable[..., Any],
        name: str | None = None,
        desc: str | None = None,
        args: dict[str, Any] | None = None,
        arg_types: dict[str, Any] | None = None,
        arg_desc: dict[str, str] | None = None,
    ) -> None:
        """Make a tool of a function; what is not given is read off the function.

        Args:
            func: What the LM may call: a plain or asynchronous function, a method, a partial, or any callable object.
            name: The name that the LM sees.
            desc: What the tool does, for the LM; by default the function's docstring.
            args: The JSON schema of each argument by name.
            arg_types: The Python type of each argument by name, to which the LM's values are converted.
            arg_desc: What each argument means, for the LM.

        Raises:
            UsageError: an argument has a type that no JSON can be read as.
            NameError: a type hint in quotes names what cannot be found.
        """
        super().__init__(func=func, name=name, desc=desc, args=args, arg_types=arg_types, arg_desc=arg_desc)
        self.name = self.name or _name_of(func)
        self.desc = self.desc or _doc_of(func)
        read = arguments_of(func, self.name, arg_desc)
        self.args = read.schemas if self.args is None else self.args
        self.arg_types = read.types if self.arg_types is None else self.arg_types
        self.has_kwargs = read.any_others

    def format(self) -> str:
        """The tool as a prompt describes it."""
        return str(self)

    def format_as_litellm_function_call(self) -> dict[str, Any]:
        """The tool as a chat-completions request names it, under ``tools``."""
        args = self.args or {}
        properties = {
            name: {key: part for key, part in schema.items() if key != "$defs"} for name, schema in args.items()
        }
        definitions = {key: part for schema in args.values() for key, part in schema.get("$defs", {}).items()}
        parameters = {
            "type": "object",
            "properties": properties,
            "required": [name for name, schema in args.items() if "default" not in schema],
        }
        if definitions:
            parameters["$defs"] = definitions
        return {"type": "function", "function": {"name": self.name, "description": self.desc, "parameters": parameters}}

    def __call__(self, **kwargs: Any) -> Any:
        """Check and convert the arguments, and call the function.

        Raises:
            ValueError: for an argument that is unknown or not of its type; for an ``async`` function, unless
                ``allow_tool_async_sync_conversion`` is set and no event loop is running here.
        """
        listeners = callbacks_for(self)
        if not listeners:
            return self._call(kwargs)
        with notify_callbacks("tool", self, {"kwargs": kwargs}, listeners) as call:
            call.outputs = self._call(kwargs)
            return call.outputs

    async def acall(self, **kwargs: Any) -> Any:
        """`__call__`, for ``async`` functions and plain ones alike."""
        listeners = callbacks_for(self)
        if not listeners:
            return await self._acall(kwargs)
        with notify_callbacks("tool", self, {"kwargs": kwargs}, listeners) as call:
            call.outputs = await self._acall(kwargs)
            return call.outputs

    def _call(self, kwargs: dict[str, Any]) -> Any:
        result = self.func(**self._converted(kwargs))
        return self._waited_for(result) if inspect.isawaitable(result) else result

    async def _acall(self, kwargs: dict[str, Any]) -> Any:
        result = await run_sync(self.func, **self._converted(kwargs))
        return await result if inspect.isawaitable(result) else result

    def _waited_for(self, awaitable: Awaitable[Any]) -> Any:
        problem = _why_not_to_wait(self.name)
        if problem is None:
            return wait_for(as_coroutine(awaitable))
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        raise ValueError(problem)

    def _converted(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments in the function's types."""
        converted = {}
        for name, value in kwargs.items():
            self._check(name, value)
            annotation = (self.arg_types or {}).get(name, Any)
            converted[name] = value if annotation == Any else _convert(annotation, value, name, self.name)
        return converted

    def _check(self, name: str, value: Any) -> None:
        schema = (self.args or {}).get(name)
        if schema is None:
            if self.has_kwargs:
                return
            takes = ", ".join(self.args or ()) or "none"
            raise ValueError(f"Arg {name} is not in the tool's args. Tool {self.name!r} takes: {takes}.")
        if schema.get("type") in (None, "Any"):
            return
        import jsonschema  # slow to import, of use only once a tool is called

        try:
            jsonschema.validate(value.model_dump() if hasattr(value, "model_dump") else value, schema)
        except jsonschema.ValidationError as error:
            raise ValueError(f"Arg {name} is invalid: {error.message} (tool {self.name!r})") from error

    @classmethod
    def from_mcp_tool(cls, session: Any, tool: MCPTool, *, result_mode: Literal["text", "structured"] = "text") -> Tool:
        """Make a tool of a tool on an MCP server; call it with `acall`.

        Args:
            session: an open MCP client or session (whatever has an async ``call_tool``).
            tool: one of the tools that the session lists.
            result_mode: ``"structured"`` returns the structured content of a result where there is one; ``"text"``
                always its text (one, or a list of several), or its other contents where there is no text.
        """
        return Tool(**mcp_tool_arguments(session, tool, result_mode=result_mode))

    @classmethod
    def from_langchain(cls, tool: BaseTool) -> Tool:
        """Make a tool of one made for LangChain; call it with `acall`."""
        return Tool(**langchain_tool_arguments(tool))

    def __repr__(self) -> str:
        return f"Tool(name={self.name}, desc={self.desc}, args={self.args})"

    def __str__(self) -> str:
        description = f", whose description is <desc>{self.desc}</desc>.".replace("\n", "  ") if self.desc else "."
        return f"{self.name}{description} It takes arguments {self.args}."


def _why_not_to_wait(tool: str | None) -> str | None:
    if not settings.allow_tool_async_sync_conversion:
        return (
            "You are calling `__call__` on an async tool, please use `acall` instead or enable async-to-sync "
            "conversion with `dspy.configure(allow_tool_async_sync_conversion=True)` or `with dspy.context(...)`. "
            f"The tool is {tool!r}."
        )
    if not in_sync_code() and _event_loop_runs_here():
        return (
            "You are calling `__call__` on an async tool from within a running event loop, which cannot be converted "
            "to a sync call, even with `allow_tool_async_sync_conversion` enabled. Please use `await tool.acall(...)` "
            f"instead. The tool is {tool!r}."
        )
    return None


def _event_loop_runs_here() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _convert(annotation: Any, value: Any, name: str, tool: str | None) -> Any:
    try:
        model = _reader(annotation, name, tool)
    except TypeError:  # a type that cannot be hashed, such as a Literal of lists
        model = _reader.__wrapped__(annotation, name, tool)
    return model.model_validate({name: value}).value  # type: ignore[attr-defined]


@lru_cache(maxsize=512)
def _reader(annotation: Any, name: str, tool: str | None) -> type[pydantic.BaseModel]:
    """A model of the one argument, so that its errors name tool and argument."""
    return pydantic.create_model(f"tool {tool}", value=(annotation, pydantic.Field(alias=name)))


def _name_of(func: Any) -> str:
    while isinstance(func, partial) and not hasattr(func, "__name__"):
        func = func.func
    return str(getattr(func, "__name__", type(func).__name__))


def _doc_of(func: Any) -> str | None:
    while isinstance(func, partial) and "__doc__" not in vars(func):
        func = func.func
    own: str | None = getattr(func, "__doc__", None)
    return own or (None if inspect.isroutine(func) else getattr(func.__call__, "__doc__", None))
