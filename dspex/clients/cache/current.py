"""The cache in use: what ``dspex.cache`` reads and sets."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from dspex.clients.cache.cache import Cache
from dspex.clients.cache.directory import default_cache_dir, default_cache_limit

logger = logging.getLogger(__name__)

_current: Any = None


def current_cache() -> Any:
    """Return the cache in use. The usual one is made at the first call, to leave time for `configure_cache`."""
    global _current
    if _current is None:
        _current = usual_cache()
    return _current


def use_cache(cache: Any) -> None:
    """Use `cache` from now on: a `Cache`, another object with its methods, or None for the usual one."""
    global _current
    _current = cache


def cache_if_any() -> Any:
    """Return the cache in use, or None as long as nobody has asked for one."""
    return _current


def usual_cache() -> Cache:
    """Make the cache of a process that has not configured any: in memory alone where no file can be written."""
    directory, limit = default_cache_dir(), default_cache_limit()
    try:
        return Cache(True, True, directory, limit)
    except (OSError, sqlite3.Error) as error:
        logger.warning("Failed to initialize disk cache, falling back to memory-only cache: %s: %s", directory, error)
        return Cache(False, True, directory, limit)
