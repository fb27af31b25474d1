"""What was answered before: caches of functions' results, and of answers where the user chose one over the ledger."""

from __future__ import annotations

from dspex.clients.cache.cache import Cache
from dspex.clients.cache.request_cache import request_cache

__all__ = ["Cache", "request_cache"]
