"""`configure_cache`: choose where answers of LMs are kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dspex.clients.cache.cache import Cache
from dspex.clients.cache.current import use_cache
from dspex.clients.cache.directory import DISK_CACHE_DIR, DISK_CACHE_LIMIT


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

    The ledger of the store keeps what LMs answer, in memory and on disk, as long as both are enabled and the directory
    is the usual one. Otherwise this cache keeps it: in memory only, in the directory named, or nowhere, and then each
    call is made. Inside a run the ledger records every answer in any case, for the run to go on from; with both
    disabled a run takes no answers from outside it.

    Args:
        enable_disk_cache: Whether to keep results in a file, which outlives the process.
        enable_memory_cache: Whether to keep results in memory.
        disk_cache_dir: The file's directory. None: a temporary one.
        disk_size_limit_bytes: How many bytes to keep in the file; the results stored first go first. None: no limit.
        memory_max_entries: How many results to keep in memory; ``math.inf`` for no limit.
        restrict_pickle: Whether to read nothing from the file but plain data and `safe_types` (see `Cache`).
        safe_types: Further types to read.

    Raises:
        ValueError: `memory_max_entries` is not a number above zero.
        TypeError: `safe_types` holds something that is not a type.
        OSError, sqlite3.Error: the directory cannot be used.
    """
    use_cache(
        Cache(
            bool(enable_disk_cache),
            bool(enable_memory_cache),
            disk_cache_dir,
            disk_size_limit_bytes,
            memory_max_entries,
            restrict_pickle=restrict_pickle,
            safe_types=safe_types,
        )
    )
