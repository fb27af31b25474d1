"""DSPy's import path of `convert_mcp_tool`."""

from dspex.adapters.types.mcp_tool import convert_mcp_tool

__all__ = ["convert_mcp_tool"]
