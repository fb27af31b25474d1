"""A cache in a file: values by key, the oldest given up when there are too many bytes of them."""

from __future__ import annotations

import os
import pickle
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

FILE_NAME = "dspex-cache.db"

_WAIT_SECONDS = 10.0
"""How long to wait for another process that writes."""

_CHECKS = 16
"""How often in a `size_limit` of bytes written it is checked whether there are too many."""


class DiskCache:
    """Values by key in a directory, which several processes may share.

    Args:
        directory: Where; created if it is missing. None: a new one for temporary files.
        size_limit: Bytes of values to keep, give or take a sixteenth. None: no limit.
        load: Reads a value back from bytes; unpickles it by default.

    Raises:
        OSError, sqlite3.Error: the directory cannot be used.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None,
        size_limit: int | None = None,
        load: Callable[[bytes], Any] = pickle.loads,
    ) -> None:
        self.directory = Path(directory) if directory else Path(tempfile.mkdtemp(prefix="dspex-cache-"))
        self.size_limit = size_limit
        self._load = load
        self._lock = threading.RLock()
        self._unchecked = float("inf")
        self._pid = -1
        self.directory.mkdir(parents=True, exist_ok=True)
        self._connect()

    def get(self, key: str, default: Any = None) -> Any:
        """Read the value of a key.

        Args:
            key: The key.
            default: What to return where there is no such key.

        Raises:
            sqlite3.Error: the file cannot be read.
            Exception: whatever `load` raises, if the value cannot be read back.
        """
        with self._lock:
            row = self._execute("SELECT value FROM entries WHERE key = ?", key).fetchone()
        return default if row is None else self._load(row[0])

    def set(self, key: str, value: Any) -> None:
        """Keep a value, in place of what was there before, and delete the oldest values beyond the limit.

        Args:
            key: The key.
            value: Anything that cloudpickle can write.

        Raises:
            TypeError, pickle.PicklingError: the value cannot be pickled.
            sqlite3.Error: the file cannot be written.
        """
        data = cloudpickle.dumps(value)
        with self._lock:
            self._execute("INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)", key, data)
            self._unchecked += len(data)
            if self.size_limit is not None and self._unchecked > self.size_limit / _CHECKS:
                self._make_room(self.size_limit)

    def delete(self, key: str) -> bool:
        """Delete `key`, and return whether it was there."""
        with self._lock:
            return self._execute("DELETE FROM entries WHERE key = ?", key).rowcount > 0

    def clear(self) -> None:
        """Delete all values."""
        with self._lock:
            self._execute("DELETE FROM entries")

    def volume(self) -> int:
        """Return the size of all values together, in bytes."""
        with self._lock:
            return int(self._execute("SELECT total(length(value)) FROM entries").fetchone()[0])

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        with self._lock:
            self._connection.close()
            self._pid = -1

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return self._execute("SELECT 1 FROM entries WHERE key = ?", key).fetchone() is not None

    def __len__(self) -> int:
        with self._lock:
            return int(self._execute("SELECT count(*) FROM entries").fetchone()[0])

    def __bool__(self) -> bool:
        return True

    def _make_room(self, limit: int) -> None:
        """Give up the values stored first, until those left are within `limit`."""
        excess = self.volume() - limit
        while excess > 0:
            row, size = self._execute("SELECT rowid, length(value) FROM entries ORDER BY rowid LIMIT 1").fetchone()
            self._execute("DELETE FROM entries WHERE rowid = ?", row)
            excess -= size
        self._unchecked = 0

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self._pid != os.getpid():  # after a fork a connection of its own, and it has been closed before
            self._connect()
        return self._connection.execute(statement, values)

    def _connect(self) -> None:
        self._connection = sqlite3.connect(
            self.directory / FILE_NAME, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL)")
        self._pid = os.getpid()
