"""DSPy's place for `Parameter`, which lives in `dspex.primitives.parameter`."""

from dspex.primitives.parameter import Parameter

__all__ = ["Parameter"]
