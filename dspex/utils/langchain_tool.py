"""DSPy's import path of `convert_langchain_tool`."""

from dspex.adapters.types.langchain_tool import convert_langchain_tool

__all__ = ["convert_langchain_tool"]
