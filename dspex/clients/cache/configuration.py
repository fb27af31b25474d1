"""`configure_cache`, and the cache that is in use without it."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from dspex.clients.cache.cache import Cache
from dspex.clients.cache.directory import DISK_CACHE_DIR, DISK_CACHE_LIMIT, default_cache_dir, default_cache_limit

logger = logging.getLogger(__name__)


def configure_cache(
    enable_disk_cache: bool | None = True,
    enable_memory_cache: bool | None = True,
    disk_cache_dir: str | os.PathLike[str] | None = DISK_CACHE_DIR,
    disk_size_limit_bytes: int | None = DISK_CACHE_LIMIT,
    memory_max_entries: float = 1000000,
    restrict_pickle: bool = False,
    safe_types: Sequence[type[Any]] | None = None,
) -> None:
    """Replace ``dspex.cache`` by a new `Cache` with these arguments.

    What LMs answer is kept in the ledger of the store, in memory and on disk, as long as both are enabled and the
    directory is the usual one. Otherwise this cache keeps it: in memory only, in the directory named, or nowhere,
    and then each call is made. Inside a run the ledger records every answer in any case, for the run to go on from;
    with both disabled a run takes no answers from outside it.

    Raises:
        ValueError, TypeError: see `Cache`.
        OSError, sqlite3.Error: the directory cannot be used.
    """
    import dspex

    dspex.cache = Cache(
        bool(enable_disk_cache),
        bool(enable_memory_cache),
        disk_cache_dir,
        disk_size_limit_bytes,
        memory_max_entries,
        restrict_pickle=restrict_pickle,
        safe_types=safe_types,
    )


def usual_cache() -> Cache:
    """The cache of a process that has not configured any: in memory alone where no file can be made."""
    directory, limit = default_cache_dir(), default_cache_limit()
    try:
        return Cache(True, True, directory, limit)
    except (OSError, sqlite3.Error) as error:
        logger.warning("Failed to initialize disk cache, falling back to memory-only cache: %s: %s", directory, error)
        return Cache(False, True, directory, limit)
