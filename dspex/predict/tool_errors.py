"""A tool's error in words for the LM that called the tool."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from dspex.errors import format_error_for_lm

_FRAMES = 5
_OURS = str(Path(__file__).parents[1])


def explained(error: Exception) -> str:
    """`error` with the first frames of its traceback that belong to the tool and not to this library.

    Where all are this library's, as for arguments that do not fit, the last frame is shown.
    """
    whole = error.__traceback__
    error.__traceback__ = _own_frames(whole)
    try:
        return format_error_for_lm(error, traceback_frames=_FRAMES)
    finally:
        error.__traceback__ = whole


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_next is not None and _is_ours(frames):
        frames = frames.tb_next
    return frames


def _is_ours(frame: TracebackType) -> bool:
    return frame.tb_frame.f_code.co_filename.startswith(_OURS)
