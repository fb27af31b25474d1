"""The most recently used ledger entries, kept in memory in front of the database."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dspex.store.records.ledger import LedgerEntry

_OVERHEAD = 600
"""Bytes that an entry takes besides its response: the object, its strings, its place in the order."""


class RecentEntries:
    """An LRU cache of entries, bounded by bytes. Entries never change, so one found here needs no look at the database.

    Args:
        max_bytes: How much its entries may take, in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, LedgerEntry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> LedgerEntry | None:
        """Return the entry `key`, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def add(self, entry: LedgerEntry) -> None:
        """Add an entry; drop the least recently used ones that no longer fit."""
        size = len(entry.response) + _OVERHEAD
        if size > self._max_bytes // 4:  # one huge response must not push out everything else
            return
        with self._lock:
            if entry.key in self._entries:
                return
            self._entries[entry.key] = entry
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= len(oldest.response) + _OVERHEAD

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def forget_lock(self) -> None:
        """Replace the lock in a forked child: a thread that does not exist there may have held it."""
        self._lock = threading.Lock()
