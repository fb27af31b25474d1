"""Where caches are kept on this host: the user's cache directory, unless the environment names another."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLES = ("DSPEX_CACHEDIR", "DSPY_CACHEDIR")


def default_cache_dir() -> str:
    """Return ``DSPEX_CACHEDIR`` or ``DSPY_CACHEDIR``, else ``.dspex_cache`` in the user's home, or here without one."""
    for variable in _VARIABLES:
        if named := os.environ.get(variable):
            return named
    try:
        return str(Path.home() / ".dspex_cache")
    except RuntimeError:
        return ".dspex_cache"


def default_cache_limit() -> int:
    """Return how many bytes to keep there: ``DSPY_CACHE_LIMIT``, or 30 GB."""
    return int(float(os.environ.get("DSPY_CACHE_LIMIT", "3e10")))


def create_subdir_in_cachedir(subdir: str) -> str:
    """Create the folder `subdir` in the cache directory, if it is missing, and return its absolute path."""
    folder = os.path.abspath(os.path.join(default_cache_dir(), subdir))
    os.makedirs(folder, exist_ok=True)
    return folder


DISK_CACHE_DIR = default_cache_dir()
DISK_CACHE_LIMIT = default_cache_limit()
