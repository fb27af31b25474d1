"""Engines for the two databases the store works with, their schema, and what their errors mean."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from dspex.errors import StoreError, StoreFullError
from dspex.store.sql.schema import VERSION, metadata, versions
from dspex.store.sql.upgrade import OLDEST, upgrade
from dspex.store.url import StoreUrl

BUSY_S = 30
"""How long one process waits for another's write to the same SQLite file. Each write takes milliseconds."""
_SCHEMA_LOCK = 0x647370657801
"""PostgreSQL's advisory lock under which one process makes the tables."""
_NO_ROOM_BYTES = 256 * 1024
_READING = "dspex_reading"
_OLDEST_SQLITE = (3, 35)
"""Has RETURNING."""


def make_engine(url: StoreUrl) -> Engine:
    """Connect, and make the tables where they are missing (several processes may do so at once)."""
    engine = _sqlite(url) if url.dialect == "sqlite" else _postgresql(url)
    try:
        _make_tables(engine, url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def reader(engine: Engine) -> Engine:
    """The same engine for statements that need no transaction."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_READING: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _sqlite(url: StoreUrl) -> Engine:
    assert url.file is not None
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"This Python has SQLite {sqlite3.sqlite_version}; the store needs 3.35 or later.")
    if url.make_directory:
        _make_directory(url.file.parent)
    if not url.file.parent.is_dir():
        raise StoreError(f"The store {url.shown} cannot be opened: there is no directory {url.file.parent}.")
    engine = create_engine(URL.create("sqlite", database=str(url.file)), connect_args={"timeout": BUSY_S}, pool_size=8)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The store's directory {directory} cannot be made ({error.strerror}). Name a store with DSPEX_STORE."
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # Turning WAL on does not wait for other connections by itself, as everything else does.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(_READING):
        # The write lock at once: to read first and then fail to write is a deadlock that no timeout resolves.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: StoreUrl) -> Engine:
    try:
        engine = create_engine(url.sqlalchemy, pool_size=8, pool_recycle=1800, connect_args={"connect_timeout": 10})
    except ImportError as error:
        raise StoreError(f"The store {url.shown} needs psycopg: pip install 'dspex[postgres]'") from error
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # A host that freezes in the middle of a transaction must not block all others for ever.
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '10s'")
    connection.commit()


def _make_tables(engine: Engine, url: StoreUrl) -> None:
    with reader(engine).connect() as connection:
        found = _version(connection)
    if found is None or OLDEST <= found < VERSION:
        with engine.begin() as connection:
            found = _made_or_upgraded(connection)
    if found != VERSION:
        raise StoreError(
            f"The store {url.shown} was made by another version of dspex (tables of version {found}, this dspex has "
            f"{VERSION}). Use that version, or name another store with DSPEX_STORE."
        )


def _made_or_upgraded(connection: Connection) -> int:
    """Make the tables, or bring them up to date, unless another process has done so meanwhile."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    found = _version(connection)
    if found is None:
        metadata.create_all(connection)
        connection.execute(versions.insert().values(version=VERSION))
    elif OLDEST <= found < VERSION:
        upgrade(connection, found)
    else:
        return found
    return VERSION


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(versions.name):
        return None
    return connection.execute(select(versions.c.version)).scalar()


def may_try_again(error: DBAPIError) -> bool:
    """Whether the connection was lost, or the transaction chosen to break a deadlock: nothing was done."""
    return error.connection_invalidated or _sqlstate(error) in ("40001", "40P01", "55P03")


def explain(error: DBAPIError, url: StoreUrl) -> StoreError:
    """The driver's error as one that says which store it is and what is wrong with it."""
    explained = _explain_sqlite(error, url) if url.dialect == "sqlite" else _explain_postgresql(error, url)
    # Data that the database does not take: the fault of one request of a batch, not of all.
    explained.about_the_data = isinstance(error, DataError | IntegrityError | ProgrammingError)  # type: ignore[attr-defined]
    return explained


def _explain_sqlite(error: DBAPIError, url: StoreUrl) -> StoreError:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    assert url.file is not None
    if code == sqlite3.SQLITE_FULL or (code in _ALSO_WHEN_FULL and _no_room(url.file)):
        return StoreFullError(
            f"The disk that holds the store {url.shown} is full. Free some space and go on: nothing recorded is lost."
        )
    meaning = _SQLITE_MEANINGS.get(code, "failed")
    return StoreError(f"The store {url.shown} {meaning} ({error.orig}).")


_ALSO_WHEN_FULL = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)

_SQLITE_MEANINGS = {
    sqlite3.SQLITE_BUSY: f"is locked: another process has been writing to it for more than {BUSY_S} s",
    sqlite3.SQLITE_LOCKED: "is locked by another connection",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; name another file with DSPEX_STORE, or move this one away",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it, or move it away to start anew",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that its directory is there and may be written",
    sqlite3.SQLITE_PERM: "may not be read or written by this user",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
}


def _no_room(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.parent).free < _NO_ROOM_BYTES
    except OSError as error:
        return error.errno == errno.ENOSPC


def _explain_postgresql(error: DBAPIError, url: StoreUrl) -> StoreError:
    state = _sqlstate(error)
    first_line = str(error.orig).strip().partition("\n")[0]
    if state == "53100":
        return StoreFullError(f"The disk of the store {url.shown} is full ({first_line}). Free some space and go on.")
    if state is None:
        return StoreError(f"The store {url.shown} cannot be reached: {first_line}. Check DSPEX_STORE.")
    return StoreError(f"The store {url.shown} failed: {first_line} (SQLSTATE {state}).")


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
