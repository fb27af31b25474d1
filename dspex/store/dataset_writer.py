"""Writing a dataset whose address is known only when all of its rows have been seen."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dspex.errors import StoreError
from dspex.store.dataset_block import DatasetBlock, pack, row_line
from dspex.store.jsonable import encode
from dspex.store.records.dataset import DatasetRef

if TYPE_CHECKING:
    from dspex.store.database import Database

BATCH_BYTES = 1024 * 1024
"""Compressed bytes that are held in memory, and written in one transaction (other writers wait for it)."""


def write_dataset(
    database: Database, rows: Iterable[Any], inputs: list[str] | None, broken_off: threading.Event
) -> DatasetRef:
    """Write rows under a number that readers do not look up, then publish them under the hash of their content.

    Args:
        database: The store's database.
        rows: The rows; iterated once.
        inputs: Names of the fields that a program is given, or None.
        broken_off: Set by another thread to end the writing.

    Raises:
        StoreError: the store failed, or `broken_off` was set.
        UsageError: a row cannot be JSON.
    """
    content = _Content(rows, inputs)
    draft = _Draft(database)
    try:
        for block in pack(content.lines()):
            if broken_off.is_set():
                raise StoreError("Writing the dataset was broken off.")
            draft.add(block)
        ref = content.ref()
        draft.publish(ref)
    except BaseException:
        draft.discard()
        raise
    return ref


class _Content:
    """Rows on their way through, counted and hashed."""

    def __init__(self, rows: Iterable[Any], inputs: list[str] | None) -> None:
        self._rows = rows
        self._inputs = inputs
        self._count = 0
        self._digest = hashlib.sha256(encode(inputs) + b"\n")

    def lines(self) -> Iterator[bytes]:
        for row in self._rows:
            line = row_line(row, self._count)
            self._digest.update(line + b"\n")
            self._count += 1
            yield line

    def ref(self) -> DatasetRef:
        return DatasetRef(sha=self._digest.hexdigest(), rows=self._count, inputs=self._inputs)


class _Draft:
    """A dataset in the making. Nothing is written of one that fits into a batch, until its address is known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number: int | None = None
        self._batch: list[DatasetBlock] = []
        self._bytes = 0

    def add(self, block: DatasetBlock) -> None:
        self._batch.append(block)
        self._bytes += len(block.body)
        if self._bytes >= BATCH_BYTES:
            self._write()

    def publish(self, ref: DatasetRef) -> None:
        from dspex.store.sql import datasets as sql

        if self._number is None and self._database.query(lambda connection: sql.find(connection, ref.sha)):
            return
        number = self._write()
        self._database.transact(lambda connection: sql.finish(connection, number, ref))

    def discard(self) -> None:
        """Remove what was written; what cannot be removed now, a later put sweeps out."""
        from dspex.store.sql import datasets as sql

        number = self._number
        if number is not None:
            with contextlib.suppress(StoreError):
                self._database.transact(lambda connection: sql.forget(connection, number))

    def _write(self) -> int:
        from dspex.store.sql import datasets as sql

        if self._number is None:
            self._number = self._database.transact(lambda connection: sql.begin(connection, time.time()))
        number, batch = self._number, self._batch
        if batch:
            self._database.transact(lambda connection: sql.add_blocks(connection, number, batch))
        self._batch, self._bytes = [], 0
        return number
