"""Adapters: how signatures become prompts, and answers become values. The names are DSPy's."""

from dspex.adapters.base import Adapter
from dspex.adapters.chat_adapter import ChatAdapter
from dspex.adapters.json_adapter import JSONAdapter
from dspex.adapters.two_step_adapter import TwoStepAdapter
from dspex.adapters.types import Audio, Code, File, History, Image, Reasoning, Tool, ToolCallResults, ToolCalls, Type
from dspex.adapters.xml_adapter import XMLAdapter

__all__ = [
    "Adapter",
    "Audio",
    "ChatAdapter",
    "Code",
    "File",
    "History",
    "Image",
    "JSONAdapter",
    "Reasoning",
    "Tool",
    "ToolCallResults",
    "ToolCalls",
    "TwoStepAdapter",
    "Type",
    "XMLAdapter",
]
