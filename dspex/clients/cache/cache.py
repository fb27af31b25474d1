"""`Cache`: results by request, in memory and in a file. ``dspex.cache`` is the one in use, and may be replaced.

What LMs answer is kept in the ledger unless the user chooses otherwise (`dspex.clients.cache.response_cache`); results
of functions under `request_cache` and of embedders are kept here. Names are DSPy's (``dspy.clients.cache``).
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import os
import pickle
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import orjson

from dspex.clients.canonical.answer import Answer
from dspex.clients.disk_serialization import restricted_load

if TYPE_CHECKING:
    from dspex.clients.cache.disk import DiskCache

logger = logging.getLogger(__name__)

__all__ = ["Cache", "RecentResults"]


class RecentResults(OrderedDict[str, Any]):
    """A dict of at most `maxsize` entries: those used last."""

    def __init__(self, maxsize: float) -> None:
        super().__init__()
        self.maxsize = maxsize

    def __reduce__(self) -> tuple[Any, ...]:
        return RecentResults, (self.maxsize,), None, None, iter(self.items())

    def get(self, key: str, default: Any = None) -> Any:
        """Look an entry up, which counts as a use of it.

        Args:
            key: The key.
            default: What to return where there is no such entry.
        """
        if key not in self:
            return default
        self.move_to_end(key)
        return self[key]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.maxsize:
            self.popitem(last=False)


class Cache:
    """Results by request: first in memory, then on disk. Whoever takes a result out gets a copy of it.

    A subclass may override `cache_key`, `get` and `put`; assign an instance to ``dspex.cache`` to use it.

    Args:
        enable_disk_cache: Whether to keep results in a file, which outlives the process.
        enable_memory_cache: Whether to keep results in memory.
        disk_cache_dir: The file's directory. None: a temporary one.
        disk_size_limit_bytes: How many bytes to keep in the file; the results stored first go first. None: no limit.
        memory_max_entries: How many results to keep in memory; ``math.inf`` for no limit.
        restrict_pickle: Whether to read nothing from the file but plain data, answers of known SDKs, arrays and
            `safe_types`; anything else counts as missing, and is deleted.
        safe_types: Further types to read.

    Raises:
        ValueError: `memory_max_entries` is not a number above zero.
        TypeError: `safe_types` holds something that is not a type.
        OSError, sqlite3.Error: the directory cannot be used.
    """

    memory_cache: RecentResults | dict[str, Any]
    disk_cache: DiskCache | dict[str, Any]

    def __init__(
        self,
        enable_disk_cache: bool,
        enable_memory_cache: bool,
        disk_cache_dir: str | os.PathLike[str] | None,
        disk_size_limit_bytes: int | None = 1024 * 1024 * 10,
        memory_max_entries: float = 1000000,
        restrict_pickle: bool = False,
        safe_types: Sequence[type[Any]] | None = None,
    ) -> None:
        self.enable_disk_cache = enable_disk_cache
        self.enable_memory_cache = enable_memory_cache
        self.disk_cache_dir = None if disk_cache_dir is None else os.fspath(disk_cache_dir)
        self.disk_size_limit_bytes = disk_size_limit_bytes
        self._lock = threading.RLock()
        self.memory_cache = RecentResults(_count(memory_max_entries)) if enable_memory_cache else {}
        self.disk_cache = {}
        if enable_disk_cache:
            from dspex.clients.cache.disk import DiskCache

            load = _restricted(safe_types or ()) if restrict_pickle else pickle.loads
            self.disk_cache = DiskCache(self.disk_cache_dir, disk_size_limit_bytes, load)

    def __contains__(self, key: str) -> bool:
        return key in self.memory_cache or key in self.disk_cache

    def cache_key(self, request: dict[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> str:
        """Compute the key of `request`: a hash of it as JSON.

        Args:
            request: The arguments of the call, by name. Models count by their content, functions by their source.
            ignored_args_for_cache_key: Arguments that make no difference to the result.

        Returns:
            64 hexadecimal digits.

        Raises:
            TypeError: the request holds something that cannot be written as JSON.
        """
        ignored = set(ignored_args_for_cache_key or ())
        params = {name: _json_like(value) for name, value in request.items() if name not in ignored}
        return sha256(orjson.dumps(params, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def get(self, request: dict[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> Any:
        """Look up what `put` kept for `request`.

        Args:
            request: The arguments of the call, by name.
            ignored_args_for_cache_key: Arguments that make no difference to the result, the same as for `put`.

        Returns:
            A copy of the result; an LM's answer is marked with `cache_hit` and an empty usage. None: nothing was found.
        """
        if not self.enable_memory_cache and not self.enable_disk_cache:
            return None
        key = self._key(request, ignored_args_for_cache_key)
        if key is None:
            return None
        if self.enable_memory_cache:
            with self._lock:
                found = self.memory_cache.get(key)
            if found is not None:
                return _as_found(found)
        found = self._from_disk(key) if self.enable_disk_cache else None
        if found is None:
            return None
        self._remember(key, found)
        return _as_found(found)

    def put(
        self,
        request: dict[str, Any],
        value: Any,
        ignored_args_for_cache_key: Sequence[str] | None = None,
        enable_memory_cache: bool = True,
    ) -> None:
        """Keep a copy of `value` for `request`. A value that cannot be copied or written is not kept, without an error.

        Args:
            request: The arguments of the call, by name. One that has no key (see `cache_key`) is not kept either.
            value: The result.
            ignored_args_for_cache_key: Arguments that make no difference to the result.
            enable_memory_cache: Whether to keep it in memory too, where the cache does that at all.
        """
        in_memory = self.enable_memory_cache and enable_memory_cache
        if not in_memory and not self.enable_disk_cache:
            return
        key = self._key(request, ignored_args_for_cache_key)
        if key is None:
            return
        if in_memory:
            self._remember(key, value)
        if self.enable_disk_cache:
            try:
                cast("DiskCache", self.disk_cache).set(key, value)
            except Exception as error:  # noqa: BLE001 - a result that cannot be kept is still a result
                logger.debug("Cannot keep a %s on disk: %s", type(value).__name__, error)

    def reset_memory_cache(self) -> None:
        """Forget everything in memory."""
        with self._lock:
            self.memory_cache.clear()

    def save_memory_cache(self, filepath: str | os.PathLike[str]) -> None:
        """Write everything in memory to the file `filepath`, as a pickle."""
        import cloudpickle

        if not self.enable_memory_cache:
            return
        with self._lock, open(filepath, "wb") as file:
            cloudpickle.dump(self.memory_cache, file)

    def load_memory_cache(self, filepath: str | os.PathLike[str], allow_pickle: bool = False) -> None:
        """Replace what is in memory by what `save_memory_cache` wrote.

        Args:
            filepath: The file.
            allow_pickle: Whether you trust whoever wrote the file: they can make this process run any code.

        Raises:
            ValueError: `allow_pickle` is false.
            OSError: the file cannot be read.
        """
        if not allow_pickle:
            raise ValueError(
                "Loading untrusted .pkl files can run arbitrary code, which may be dangerous. If you trust whoever "
                f"wrote {os.fspath(filepath)}, set `allow_pickle=True`."
            )
        if not self.enable_memory_cache:
            return
        with self._lock, open(filepath, "rb") as file:
            self.memory_cache = pickle.load(file)

    def _key(self, request: dict[str, Any], ignored: Sequence[str] | None) -> str | None:
        try:
            return self.cache_key(request, ignored)
        except Exception as error:  # noqa: BLE001 - `cache_key` may be the user's own
            logger.debug("This request cannot be cached: %s", error)
            return None

    def _from_disk(self, key: str) -> Any:
        disk = cast("DiskCache", self.disk_cache)
        try:
            return disk.get(key)
        except sqlite3.Error as error:
            logger.warning("The cache cannot be read: %s", error)
            return None
        except Exception as error:  # noqa: BLE001 - reading a pickle may fail in any way
            logger.debug("A cached value is not read: %s", error)
        disk.delete(key)
        return None

    def _remember(self, key: str, value: Any) -> None:
        if not self.enable_memory_cache:
            return
        try:
            kept = copy.deepcopy(value)
        except Exception as error:  # noqa: BLE001 - the user's objects may refuse in any way
            logger.debug("Cannot keep a %s in memory: %s", type(value).__name__, error)
            return
        with self._lock:
            self.memory_cache[key] = kept


def _json_like(value: Any) -> Any:
    """What of `value` JSON can hold: models by their content, classes of models by their schema, code by its source."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: _json_like(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_like(one) for one in value]
    return _source(value) if callable(value) else value


def _source(code: Any) -> str:
    try:
        return f"<callable_source:{inspect.getsource(code)}>"
    except (TypeError, OSError):
        return f"<callable:{getattr(code, '__name__', 'lambda')}>"


def _as_found(kept: Any) -> Any:
    """A copy for one taker. An answer says that it was found, and that nothing was used up for it."""
    found = copy.deepcopy(kept)
    if isinstance(found, Answer):
        found.cache_hit = True
    elif hasattr(found, "usage"):
        found.usage = {}
        with suppress(AttributeError):  # an object with slots has no place for it
            object.__setattr__(found, "cache_hit", True)  # not by setattr: some SDKs' models take no new attributes
    return found


def _count(entries: Any) -> float:
    if entries is None:
        raise ValueError("`memory_max_entries` cannot be None. Use `math.inf` if you need an unbounded cache.")
    if entries <= 0:
        raise ValueError(f"`memory_max_entries` must be a positive number, but received {entries}.")
    return float(entries)


def _restricted(safe_types: Sequence[type[Any]]) -> Callable[[bytes], Any]:
    for one in safe_types:
        if not isinstance(one, type):
            raise TypeError(f"safe_types entries must be types, got {one!r}")
    return functools.partial(restricted_load, safe_types=[(one.__module__, one.__qualname__) for one in safe_types])
