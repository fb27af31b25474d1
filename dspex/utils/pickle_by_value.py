"""DSPy's place for `serialize_by_value`."""

from dspex.by_value import serialize_by_value

__all__ = ["serialize_by_value"]
