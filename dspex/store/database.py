"""The connections of a store, and the threads that its slower work runs on.

Everything in here blocks; the faces (`ledger`, `datasets`, ...) call it on the store's threads only. Whatever the
driver raises leaves as a `StoreError` that names the store and what to do.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeVar

from dspex.errors import StoreError
from dspex.store.url import StoreUrl

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")

THREADS = 4
ATTEMPTS = 4
"""How often a transaction is tried that lost its connection, or a deadlock."""


_inherited: list[Engine] = []
"""Engines of the parents of forked processes: kept, so that nothing here ever closes their connections."""


class Database:
    """One engine, made at its first use in the thread that uses it. Makes the schema where it is missing.

    Args:
        url: Where the database is.
    """

    def __init__(self, url: StoreUrl) -> None:
        self.url = url
        self._engine: Engine | None = None
        self._begin_anew()

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return self.url.dialect

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work on one of the store's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads(), work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction. It may run again from the start, so it must have no other effect.

        Raises:
            StoreError: the database failed.
        """
        return self._attempt(work, reading=False)

    def query(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only reads, without a transaction.

        Raises:
            StoreError: the database failed.
        """
        return self._attempt(work, reading=True)

    def vacuum(self) -> None:
        """Give unused space back to the disk.

        Raises:
            StoreError: the database failed.
        """
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        from dspex.store.sql.engine import explain, reader

        try:
            with reader(self._made_engine()).connect() as connection:
                connection.execute(text("VACUUM"))
        except DBAPIError as error:
            raise explain(error, self.url) from error

    def close(self) -> None:
        """Wait for the threads' work, then disconnect."""
        with self._lock:
            self._closed = True
            pool, engine = self._pool, self._engine
        if pool is not None:
            pool.shutdown(wait=True)
        if engine is not None:
            engine.dispose()

    def after_fork(self) -> None:
        """Start anew in a forked child, which must not use its parent's connections and threads."""
        if self._engine is not None:
            _inherited.append(self._engine)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._engine = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            self._refuse_closed()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="dspex-store")
            return self._pool

    def _attempt(self, work: Callable[[Connection], T], reading: bool) -> T:
        from sqlalchemy.exc import DBAPIError

        from dspex.store.sql.engine import explain, may_try_again, reader

        for attempt in range(1, ATTEMPTS + 1):
            try:
                engine = self._made_engine()
                with (reader(engine) if reading else engine).begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt == ATTEMPTS or not may_try_again(error):
                    raise explain(error, self.url) from error
        raise AssertionError("unreachable")

    def _made_engine(self) -> Engine:
        engine = self._engine
        if engine is not None:
            return engine
        from dspex.store.sql.engine import make_engine

        with self._lock:
            self._refuse_closed()
            if self._engine is None:
                self._engine = make_engine(self.url)
            return self._engine

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError(f"The store {self.url.shown} is closed.")
