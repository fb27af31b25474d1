"""DSPy's place for reaching the parts of an object by path."""

from dspex.primitives.by_path import delete, get, lookup, set

__all__ = ["delete", "get", "lookup", "set"]
