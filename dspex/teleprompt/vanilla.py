"""DSPy's name for the home of `LabeledFewShot`."""

from dspex.teleprompt.labeled import LabeledFewShot

__all__ = ["LabeledFewShot"]
