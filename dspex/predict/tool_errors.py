"""A tool's error, as the LM that called the tool is told of it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import dspex
from dspex.errors import format_error_for_lm

_FRAMES = 5
_OURS = str(Path(dspex.__file__).parent)


def explained(error: Exception) -> str:
    """The error with the first frames of its traceback that are the tool's own, not those of this library."""
    own = error.__traceback__
    while own is not None and _is_ours(own):
        own = own.tb_next
    if own is None:
        return format_error_for_lm(error, traceback_frames=_FRAMES)
    whole, error.__traceback__ = error.__traceback__, own
    try:
        return format_error_for_lm(error, traceback_frames=_FRAMES)
    finally:
        error.__traceback__ = whole


def _is_ours(frame: TracebackType) -> bool:
    return frame.tb_frame.f_code.co_filename.startswith(_OURS)
