"""Types of fields that an LM sees as more than text."""

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.history import History

__all__ = ["History", "Type"]
