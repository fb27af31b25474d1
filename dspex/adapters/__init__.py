"""Adapters: how signatures become prompts, and answers become values. The names are DSPy's."""

from dspex.adapters.base import Adapter
from dspex.adapters.chat_adapter import ChatAdapter
from dspex.adapters.json_adapter import JSONAdapter
from dspex.adapters.types import History, Type

__all__ = ["Adapter", "ChatAdapter", "History", "JSONAdapter", "Type"]
