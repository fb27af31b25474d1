"""Threads for what may block while it waits for an answer: users' LMs, litellm's synchronous functions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

_THREADS = 64


@lru_cache(maxsize=1)
def worker_threads() -> ThreadPoolExecutor:
    """Return the threads of this process, made at first use."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="dspex-lm")
