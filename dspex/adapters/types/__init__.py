"""Types of fields that an LM sees as more than text, and tools."""

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.history import History
from dspex.adapters.types.tool import Tool, ToolCallResults, ToolCalls

__all__ = ["History", "Tool", "ToolCallResults", "ToolCalls", "Type"]
