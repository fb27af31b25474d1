"""The store of a process: one per database URL."""

from __future__ import annotations

import atexit
import os
import threading
import uuid
import weakref
from pathlib import Path

from dspex.store import url as urls
from dspex.store.batches import Batches
from dspex.store.budgets import Budgets
from dspex.store.database import Database
from dspex.store.datasets import Datasets
from dspex.store.ledger import Ledger
from dspex.store.outcomes import Outcomes
from dspex.store.programs import Programs
from dspex.store.runs import Runs
from dspex.store.upkeep import Upkeep

_lock = threading.Lock()
_open: dict[str, Store] = {}
_all: weakref.WeakSet[Store] = weakref.WeakSet()


class Store:
    """LM responses, data, programs, outcomes and runs behind one database URL.

    Every method of its parts may be awaited on any event loop of the process; the store's own threads use the database.
    Nothing is connected, and no table made, before the first use. Failures are `StoreError`s: `StoreFullError` when the
    disk is full, `NotInStoreError` for data that only another store holds.

    This makes a store with claims of its own; `Store.open` returns the one that the process shares.

    Args:
        url: A SQLite file, or a database URL (``sqlite:///...``, ``postgresql://...``); by default as `Store.open`.
    """

    def __init__(self, url: str | os.PathLike[str] | None = None) -> None:
        self._url = urls.resolve(url)
        self._database = Database(self._url)
        self.ledger = Ledger(self._database)
        self.datasets = Datasets(self._database)
        self.programs = Programs(self._database)
        self.outcomes = Outcomes(self._database)
        self.runs = Runs(self._database)
        self.batches = Batches(self._database)
        self.budgets = Budgets(self._database)
        self.upkeep = Upkeep(self._database)
        _all.add(self)

    @classmethod
    def open(cls, url: str | os.PathLike[str] | None = None) -> Store:
        """Return the process's store at `url`.

        Args:
            url: A SQLite file or a database URL; by default ``settings.store``, else ``DSPEX_STORE``, else a file in
                the user's data folder.

        Raises:
            UsageError: the store cannot be that kind of database.
        """
        key = urls.resolve(url).sqlalchemy
        with _lock:
            store = _open.get(key)
            if store is None:
                store = _open[key] = cls(url)
            return store

    @property
    def url(self) -> str:
        """The database URL, password included: to hand to another process. To show it, use `shown_url`."""
        return self._url.sqlalchemy

    @property
    def shown_url(self) -> str:
        """The database URL without its password."""
        return self._url.shown

    @property
    def file(self) -> Path | None:
        """The database's file; None for a database server."""
        return self._url.file

    async def check(self) -> None:
        """Write and read a probe, so that a store that does not work is found before anything is paid for.

        Raises:
            StoreError: the store does not work; the message says why (no directory, read-only, not a database, no
                server).
            StoreFullError: the disk is full.
        """
        probe = uuid.uuid4().hex

        def write_and_read() -> None:
            from dspex.store.sql.probe import probe_write

            self._database.transact(lambda connection: probe_write(connection, probe))

        await self._database.run(write_and_read)

    def close(self) -> None:
        """Finish queued requests, release the claims held, disconnect. Blocks; runs by itself when the process ends."""
        with _lock:
            if _open.get(self._url.sqlalchemy) is self:
                del _open[self._url.sqlalchemy]
        self.ledger.close()
        self._database.close()
        _all.discard(self)

    def __repr__(self) -> str:
        return f"Store({self._url.shown!r})"

    def _after_fork(self) -> None:
        self._database.after_fork()
        self.ledger.after_fork()


def close_all() -> None:
    """Close every store of this process, which is about to end without running its exit handlers."""
    for store in list(_all):
        store.close()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for store in list(_all):
        store._after_fork()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
