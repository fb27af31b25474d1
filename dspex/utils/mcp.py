"""DSPy's import path of `convert_mcp_tool`."""

from __future__ import annotations

from typing import Any, Literal

from dspex.adapters.types.tool import Tool

__all__ = ["convert_mcp_tool"]


def convert_mcp_tool(session: Any, tool: Any, *, result_mode: Literal["text", "structured"] = "text") -> Tool:
    """Make a `Tool` of a tool of an MCP server: DSPy's name of `Tool.from_mcp_tool`, which describes the arguments."""
    return Tool.from_mcp_tool(session, tool, result_mode=result_mode)
