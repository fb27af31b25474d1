"""DSPy's import path of `convert_langchain_tool`."""

from __future__ import annotations

from typing import Any

from dspex.adapters.types.tool import Tool

__all__ = ["convert_langchain_tool"]


def convert_langchain_tool(tool: Any) -> Tool:
    """DSPy's name of `Tool.from_langchain`."""
    return Tool.from_langchain(tool)
