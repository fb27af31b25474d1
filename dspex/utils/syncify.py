"""DSPy's path of `syncify`."""

from __future__ import annotations

from dspex.primitives.syncify import run_async, syncify

__all__ = ["run_async", "syncify"]
