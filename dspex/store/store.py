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

    Every method of its parts may be awaited on any event loop of the process; the database is worked on by the store's
    own threads. Nothing is connected, and no table made, before the first use. Failures are `StoreError`s:
    `StoreFullError` when there is no room, `NotInStoreError` for what another store must hold.
    """

    def __init__(self, url: str | os.PathLike[str] | None = None) -> None:
        """A store of its own, with claims of its own; `Store.open` is what shares one within the process."""
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
        """The process's store at `url`; else at ``settings.store``, ``DSPEX_STORE``, or a file of the user's.

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
        """The database URL, password included: for handing on to a process, never for showing (`shown_url`)."""
        return self._url.sqlalchemy

    @property
    def shown_url(self) -> str:
        return self._url.shown

    @property
    def file(self) -> Path | None:
        """The database's file; None for a database server."""
        return self._url.file

    async def check(self) -> None:
        """Write and read a probe, so that a store that does not work is found before anything is paid for.

        Raises:
            StoreError: saying what is wrong (no directory, read-only, not a database, no server, ...).
            StoreFullError: there is no room.
        """
        probe = uuid.uuid4().hex

        def write_and_read() -> None:
            from dspex.store.sql.probe import probe_write

            self._database.transact(lambda connection: probe_write(connection, probe))

        await self._database.run(write_and_read)

    def close(self) -> None:
        """Do what is queued, release the claims held, disconnect. Blocks; done by itself when the process ends."""
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
    """Close every store of this process: for a process that ends without Python's own farewell."""
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
