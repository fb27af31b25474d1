"""Where caches are kept on this host (DSPy's ``dspy.utils.caching``)."""

from dspex.clients.cache.directory import DISK_CACHE_DIR, create_subdir_in_cachedir, default_cache_dir

DSPY_CACHEDIR = DISK_CACHE_DIR

__all__ = ["DSPY_CACHEDIR", "create_subdir_in_cachedir", "default_cache_dir"]
