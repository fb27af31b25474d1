"""Where the answers of LMs are kept outside of runs: in the ledger, or in the cache that the user has chosen instead.

Inside a run it is the ledger always: what has been paid for must be found again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.cache.cache import Cache
from dspex.clients.cache.current import cache_if_any
from dspex.clients.cache.directory import default_cache_dir
from dspex.clients.calls.entry import ledger_entry
from dspex.clients.canonical.answer import Answer, usage_of
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.pricing import cost_usd
from dspex.errors import StoreError
from dspex.settings import settings
from dspex.store.records.budget import Payer
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won
from dspex.store.url import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from dspex.clients.calls.call import CallLedger

logger = logging.getLogger(__name__)

_IGNORED = ("api_key", "api_key_env", "headers", "extra_headers", "timeout", "num_retries", "cache")
"""What of a request makes no difference to its answer."""


def chosen_cache() -> Any:
    """Return the cache that the user has chosen for answers in place of the ledger; None where it is the ledger."""
    cache = cache_if_any()
    return None if cache is None or _is_usual(cache) else cache


def nothing_is_kept(cache: Any) -> bool:
    """Tell whether `cache` keeps nothing, so that each call has to be made."""
    off = isinstance(cache, Cache) and not (cache.enable_disk_cache or cache.enable_memory_cache)
    return off and type(cache).get is Cache.get


class CacheAsLedger:
    """A cache in the ledger's place. It answers one request, and keeps no bill.

    Args:
        cache: A `Cache`, or an object of the user's with its `get` and `put`.
        model: The model's name as the user wrote it.
        url: Where the call goes.
        messages: The messages of the request.
        params: Its parameters; those that make no difference to the answer, such as keys and timeouts, are left out.
    """

    def __init__(self, cache: Any, model: str, url: str, messages: Any, params: dict[str, Any]) -> None:
        self._cache = cache
        self._model = model
        self._request = {
            **{name: value for name, value in params.items() if name not in _IGNORED},
            "model": model,
            "messages": [dict(message) for message in messages],
            "api_base": url,
            "_fn_identifier": "dspex.clients.lm.LM",
        }

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won:
        """Look the request up. `key` becomes the key of the entry found; there are no runs here."""
        found = await self._do(self._cache.get, self._request)
        if found is None:
            return Won()
        usage = usage_of(found)
        tokens, cost, response = token_counts(usage), cost_usd(self._model, usage), orjson.dumps(found)
        entry = ledger_entry(key, self._model, response, found, tokens, cost_usd=cost, latency_s=0.0)
        return Hit(entry)

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Put the answer of `entry` into the cache. A cache that fails costs a warning; the answer is still given."""
        try:
            await self._do(self._cache.put, self._request, Answer(orjson.loads(entry.response)))
        except Exception as error:  # noqa: BLE001 - a user's cache may fail in any way; the answer is there all the same
            logger.warning("The cache failed to keep an answer of %s: %s", self._model, error)
        return entry

    async def reserve(self, key: str, payer: Payer) -> None:
        """Do nothing: nobody has a budget outside of runs."""

    async def release(self, key: str) -> None:
        """Do nothing: nothing is claimed in a cache."""

    async def _do(self, method: Any, *args: Any) -> Any:
        """Ask the cache: in a thread, unless it only looks into memory."""
        if type(self._cache) is Cache and not self._cache.enable_disk_cache:
            return method(*args)
        return await asyncio.to_thread(method, *args)


class LedgerIfPossible:
    """The ledger of a store that nobody named, for calls outside of runs, which do without it if it cannot be opened.

    So a script also works where there is no home directory to write to, as in many a container.
    """

    def __init__(self, ledger: CallLedger) -> None:
        self._ledger = ledger
        self._missing = False

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won | Held:
        """Claim `key` in the ledger, outside of any run. Without a ledger every claim is won, after one warning."""
        try:
            return await self._ledger.claim(key)
        except StoreError as error:
            self._missing = True
            _warn_of_store(str(error))
            return Won()

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Record `entry`, unless the ledger is missing."""
        return entry if self._missing else await self._ledger.record(entry)

    async def reserve(self, key: str, payer: Payer) -> None:
        """Do nothing: nobody has a budget outside of runs."""

    async def release(self, key: str) -> None:
        """Release `key`, unless the ledger is missing."""
        if not self._missing:
            await self._ledger.release(key)


def outside_of_runs(ledger: CallLedger) -> CallLedger:
    """Return `ledger` for a call outside of runs: a store that the user named must work, the usual one need not."""
    named = settings.store or os.environ.get(ENVIRONMENT_VARIABLE)
    return ledger if named else LedgerIfPossible(ledger)


@lru_cache(maxsize=16)  # once is enough
def _warn_of_store(problem: str) -> None:
    logger.warning(
        "Answers of LMs are not kept: %s Set DSPEX_STORE to a file that can be written, or call "
        "dspex.configure_cache(enable_disk_cache=False) to keep them in memory.",
        problem,
    )


def _is_usual(cache: Any) -> bool:
    """Whether `cache` is one with the usual tiers in the usual place, and so stands for the ledger."""
    return (
        type(cache) is Cache
        and cache.enable_disk_cache
        and cache.enable_memory_cache
        and cache.disk_cache_dir == default_cache_dir()
    )
