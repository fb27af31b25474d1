"""Language models and the way of a call to them: single flight, ledger, limit, retry, HTTP."""

from __future__ import annotations

from dspex.clients.base_lm import BaseLM
from dspex.clients.cache.cache import Cache
from dspex.clients.cache.configuration import configure_cache
from dspex.clients.cache.current import usual_cache
from dspex.clients.cache.directory import DISK_CACHE_DIR, DISK_CACHE_LIMIT
from dspex.clients.embedding import Embedder
from dspex.clients.engines.litellm_logging import (
    configure_litellm_logging,
    disable_litellm_logging,
    enable_litellm_logging,
)
from dspex.clients.history import inspect_history
from dspex.clients.lm import LM
from dspex.clients.provider import Provider, TrainingJob

__all__ = [
    "DISK_CACHE_DIR",
    "DISK_CACHE_LIMIT",
    "LM",
    "BaseLM",
    "Cache",
    "Embedder",
    "Provider",
    "TrainingJob",
    "configure_cache",
    "configure_litellm_logging",
    "disable_litellm_logging",
    "drain",
    "enable_litellm_logging",
    "inspect_history",
]

_get_dspy_cache = usual_cache
"""DSPy's name."""


async def drain(timeout: float | None = None) -> None:
    """Wait until every call of this event loop is done and recorded, for `timeout` seconds at most."""
    from dspex.clients.calls.traffic import drain_loop

    await drain_loop(timeout)
