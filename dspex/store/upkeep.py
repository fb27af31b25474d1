"""Upkeep of the ledger: what it holds, deleting entries, exporting them.

Deleted answers must be paid for again if they are asked for again. What they cost stays on the bills of their runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dspex.store.records.upkeep import LedgerStats, RecordedEntry, Selection

if TYPE_CHECKING:
    from dspex.store.database import Database

_READ_AT_ONCE = 200
_DELETED_AT_ONCE = 500
"""Few enough that other writers do not wait long for the lock."""


class Upkeep:
    """Measures, prunes, exports and compacts the ledger of a store.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stats(self) -> LedgerStats:
        """Count what the ledger holds, in all and by model."""

        def read() -> LedgerStats:
            from dspex.store.sql.upkeep import stats

            return self._database.query(stats)

        return await self._database.run(read)

    async def measure(self, selection: Selection) -> tuple[int, int]:
        """Count the selected entries.

        Returns:
            Their number, and the bytes of their answers.
        """
        selected = await self._settled(selection)

        def read() -> tuple[int, int]:
            from dspex.store.sql.upkeep import measure

            return self._database.query(lambda connection: measure(connection, selected))

        return await self._database.run(read)

    async def prune(self, selection: Selection) -> int:
        """Delete the selected entries, some at a time. Bills are not changed.

        Returns:
            How many were deleted.
        """
        selected, gone = await self._settled(selection), 0

        def delete() -> int:
            from dspex.store.sql.upkeep import prune

            return self._database.transact(lambda connection: prune(connection, selected, _DELETED_AT_ONCE))

        while count := await self._database.run(delete):
            gone += count
        return gone

    async def entries(self, selection: Selection) -> AsyncIterator[RecordedEntry]:
        """Iterate over the selected entries, by key; a few at a time are in memory."""
        selected, last = await self._settled(selection), ""

        def read() -> list[RecordedEntry]:
            from dspex.store.sql.upkeep import entries

            return self._database.query(lambda connection: entries(connection, selected, last, _READ_AT_ONCE))

        while batch := await self._database.run(read):
            for kept in batch:
                yield kept
            last = batch[-1].entry.key

    async def runs_since(self, since: float) -> set[str]:
        """Return the ids of the runs that have paid for a call at `since` (Unix time) or later."""

        def read() -> set[str]:
            from dspex.store.sql.upkeep import runs_since

            return self._database.query(lambda connection: runs_since(connection, since))

        return await self._database.run(read)

    async def compact(self) -> None:
        """Give the space of deleted entries back to the disk. Takes a while, and on SQLite space for a copy."""

        def vacuum() -> None:
            self._database.vacuum()

        await self._database.run(vacuum)

    async def _settled(self, selection: Selection) -> Selection:
        """Replace a limit of bytes by the age that it amounts to."""
        most = selection.max_bytes
        if most is None:
            return selection

        def read() -> float | None:
            from dspex.store.sql.upkeep import age_of_size

            return self._database.query(lambda connection: age_of_size(connection, most))

        before = await self._database.run(read)
        limits = [limit for limit in (selection.before, before) if limit is not None]
        # Without an age everything fits, so nothing is selected.
        settled = 0.0 if before is None else min(limits)
        return replace(selection, before=settled, max_bytes=None)
