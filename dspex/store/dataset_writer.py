"""Writing a dataset whose address is known only when all of its rows have been seen."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dspex.errors import StoreError
from dspex.store.dataset_block import Block, pack, row_line
from dspex.store.datasets import DatasetRef
from dspex.store.jsonable import encode

if TYPE_CHECKING:
    from dspex.store.database import Database

BATCH_BYTES = 1024 * 1024
"""Compressed bytes that are held in memory, and written in one transaction (other writers wait for it)."""


def write_dataset(
    database: Database, rows: Iterable[Any], inputs: Sequence[str] | None, broken_off: threading.Event
) -> DatasetRef:
    """Write `rows` under a number that nobody can see, then make it the dataset of that content.

    A dataset small enough for one batch is hashed before anything is written.
    """
    from dspex.store.sql import datasets as sql

    keys = None if inputs is None else list(inputs)
    digest = hashlib.sha256(encode(keys) + b"\n")
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for row in rows:
            line = row_line(row, count)
            digest.update(line + b"\n")
            count += 1
            yield line

    number: int | None = None
    batch: list[Block] = []
    try:
        for block in pack(lines()):
            batch.append(block)
            if sum(len(b.body) for b in batch) >= BATCH_BYTES:
                if broken_off.is_set():
                    raise StoreError("Writing the dataset was broken off.")
                if number is None:
                    number = database.transact(lambda connection: sql.begin(connection, time.time()))
                _write(database, number, batch)
                batch = []
        ref = DatasetRef(sha=digest.hexdigest(), rows=count, inputs=keys)
        if number is None and database.query(lambda connection: sql.find(connection, ref.sha)):
            return ref
        if number is None:
            number = database.transact(lambda connection: sql.begin(connection, time.time()))
        _write(database, number, batch)
        written: int = number
        database.transact(lambda connection: sql.finish(connection, written, ref))
    except BaseException:
        if number is not None:
            _forget(database, number)
        raise
    return ref


def _write(database: Database, number: int, batch: Sequence[Block]) -> None:
    if batch:
        from dspex.store.sql import datasets as sql

        database.transact(lambda connection: sql.add_blocks(connection, number, batch))


def _forget(database: Database, number: int) -> None:
    """Best effort: what cannot be removed now is swept out by a later put."""
    import contextlib

    from dspex.store.sql import datasets as sql

    with contextlib.suppress(StoreError):
        database.transact(lambda connection: sql.forget(connection, number))
