"""Tools of MCP servers. Field names are those of the `mcp` package from 2.0 on, or else those of 1.x."""

from __future__ import annotations

from typing import Any, Literal

from dspex.adapters.types.tool_schema import convert_input_schema_to_tool_args
from dspex.errors import UsageError

ResultMode = Literal["text", "structured"]


def mcp_tool_arguments(session: Any, tool: Any, *, result_mode: ResultMode = "text") -> dict[str, Any]:
    """Gather the arguments of `Tool` for a tool of an MCP server. See `Tool.from_mcp_tool`.

    Args:
        session: An open MCP client or session: whatever has an asynchronous ``call_tool``.
        tool: One of the tools that the session lists.
        result_mode: What a call returns: the "text" of the result, or its "structured" content where there is one.

    Raises:
        UsageError: the result mode does not exist.
    """
    if result_mode not in ("text", "structured"):
        raise UsageError(f"Unsupported MCP result mode: {result_mode!r}. There are 'text' and 'structured'.")
    args, arg_types, arg_desc = convert_input_schema_to_tool_args(_field(tool, "input_schema", "inputSchema") or {})

    async def func(*args: Any, **kwargs: Any) -> Any:
        return read_result(await session.call_tool(tool.name, arguments=kwargs), result_mode)

    return {
        "func": func,
        "name": tool.name,
        "desc": tool.description,
        "args": args,
        "arg_types": arg_types,
        "arg_desc": arg_desc,
    }


def read_result(result: Any, mode: ResultMode = "text") -> Any:
    """Read what an MCP tool returned.

    Args:
        result: The server's result.
        mode: "text", or "structured" for the structured content where there is one.

    Returns:
        The structured content, the text (a list if there are several), or else the other contents.

    Raises:
        RuntimeError: the server says that the tool failed.
    """
    texts = [content.text for content in result.content if content.type == "text"]
    text = texts[0] if len(texts) == 1 else texts
    if _field(result, "is_error", "isError"):
        raise RuntimeError(f"Failed to call a MCP tool: {text}")
    if mode == "structured" and _is_set(result, "structured_content", "structuredContent"):
        return _field(result, "structured_content", "structuredContent")
    return text or [content for content in result.content if content.type != "text"]


def _field(value: Any, name: str, old_name: str) -> Any:
    return getattr(value, name, getattr(value, old_name, None))


def _is_set(value: Any, name: str, old_name: str) -> bool:
    """Whether the server sent the field; None is a content like any other."""
    given = getattr(value, "model_fields_set", None)
    if given is None:
        return hasattr(value, name) or hasattr(value, old_name)
    return name in given or old_name in given
