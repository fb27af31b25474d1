"""Datasets: rows of JSON under the hash of all of them, written as a stream and read in slices."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.store.programs import not_in_store
from dspex.store.records.dataset import DatasetRef

if TYPE_CHECKING:
    from dspex.store.database import Database

Row = dict[str, Any]


class Datasets:
    """Content-addressed lists of rows. Equal rows in the same order with the same input keys are one dataset.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, rows: Iterable[Mapping[str, Any] | Any], input_keys: Sequence[str] | None = None) -> DatasetRef:
        """Keep rows, in constant memory. Equal data that is there already is not written again.

        The iterable is run through once, on a thread of the store. A dataset whose writing is broken off does not
        exist.

        Args:
            rows: Mappings, examples, or other objects that `to_jsonable` makes JSON objects of.
            input_keys: The fields that a program is given; None if that is not known.

        Returns:
            The dataset's address.

        Raises:
            UsageError: a row is not an object, or holds something that JSON cannot; the message names row and field.
        """
        inputs = None if input_keys is None else list(input_keys)
        broken_off = threading.Event()

        def write() -> DatasetRef:
            from dspex.store.dataset_writer import write_dataset

            return write_dataset(self._database, rows, inputs, broken_off)

        try:
            return await self._database.run(write)
        except BaseException:
            broken_off.set()  # the thread cannot be cancelled: it looks here between blocks
            raise

    async def info(self, sha: str) -> DatasetRef:
        """Return the address, size and input keys of the dataset at `sha`.

        Raises:
            NotInStoreError: this store does not hold it.
        """
        return (await self._found(sha))[1]

    async def rows(self, sha: str, start: int = 0, stop: int | None = None) -> list[Row]:
        """Return a slice of the rows. Reads only the blocks that hold them.

        Args:
            sha: The dataset's address.
            start: The first row; as in a Python slice, a negative number counts from the end.
            stop: The row after the last; None for the end.

        Raises:
            NotInStoreError: this store does not hold the dataset.
        """
        number, ref = await self._found(sha)
        start, stop, _ = slice(start, stop).indices(ref.rows)

        def read() -> list[Row]:
            from dspex.store.sql.datasets import rows_between

            return self._database.query(lambda connection: rows_between(connection, number, start, stop))

        return await self._database.run(read)

    async def rows_at(self, sha: str, indices: Sequence[int]) -> list[Row]:
        """Return the rows at `indices`, in that order.

        Args:
            sha: The dataset's address.
            indices: Indices from 0; one may come twice.

        Raises:
            IndexError: there is no such row.
            NotInStoreError: this store does not hold the dataset.
        """
        number, ref = await self._found(sha)
        for index in indices:
            if not 0 <= index < ref.rows:
                raise IndexError(f"Dataset {sha[:12]} has {ref.rows} rows, so no row {index}.")

        def read() -> list[Row]:
            from dspex.store.sql.datasets import rows_at

            return self._database.query(lambda connection: rows_at(connection, number, indices))

        return await self._database.run(read)

    async def _found(self, sha: str) -> tuple[int, DatasetRef]:
        def read() -> tuple[int, DatasetRef] | None:
            from dspex.store.sql.datasets import find

            return self._database.query(lambda connection: find(connection, sha))

        found = await self._database.run(read)
        if found is None:
            raise not_in_store("dataset", sha, self._database.url.shown)
        return found
