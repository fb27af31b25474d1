"""DSPy's path of `asyncify`."""

from __future__ import annotations

from dspex.primitives.asyncify import asyncify, get_async_max_workers, get_limiter

__all__ = ["asyncify", "get_async_max_workers", "get_limiter"]
