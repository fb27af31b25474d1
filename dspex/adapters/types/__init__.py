"""Types of fields that an LM sees as more than text, and tools."""

from dspex.adapters.types.audio import Audio
from dspex.adapters.types.base_type import Type
from dspex.adapters.types.code import Code
from dspex.adapters.types.file import File
from dspex.adapters.types.history import History
from dspex.adapters.types.image import Image
from dspex.adapters.types.reasoning import Reasoning
from dspex.adapters.types.tool import Tool, ToolCallResults, ToolCalls

__all__ = ["Audio", "Code", "File", "History", "Image", "Reasoning", "Tool", "ToolCallResults", "ToolCalls", "Type"]
