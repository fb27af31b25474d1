"""The upkeep of the ledger: what it holds, what to throw away, and copies of it.

Answers that are thrown away have to be paid for again if they are asked for again. What they cost stays on the bills of
their runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dspex.store.records.upkeep import Kept, LedgerStats, Selection

if TYPE_CHECKING:
    from dspex.store.database import Database

_READ_AT_ONCE = 200
_DELETED_AT_ONCE = 500
"""Few enough that nobody waits long for the lock."""


class Upkeep:
    """Looks after the ledger of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stats(self) -> LedgerStats:
        """What the ledger holds."""

        def read() -> LedgerStats:
            from dspex.store.sql.upkeep import stats

            return self._database.query(stats)

        return await self._database.run(read)

    async def measure(self, selection: Selection) -> tuple[int, int]:
        """How many entries are selected, and the bytes of their answers."""
        selected = await self._settled(selection)

        def read() -> tuple[int, int]:
            from dspex.store.sql.upkeep import measure

            return self._database.query(lambda connection: measure(connection, selected))

        return await self._database.run(read)

    async def prune(self, selection: Selection) -> int:
        """Throw the selected entries away, some at a time; returns how many there were. Bills are not changed."""
        selected, gone = await self._settled(selection), 0

        def delete() -> int:
            from dspex.store.sql.upkeep import prune

            return self._database.transact(lambda connection: prune(connection, selected, _DELETED_AT_ONCE))

        while count := await self._database.run(delete):
            gone += count
        return gone

    async def entries(self, selection: Selection) -> AsyncIterator[Kept]:
        """The selected entries, by key; a few at a time are in memory."""
        selected, last = await self._settled(selection), ""

        def read() -> list[Kept]:
            from dspex.store.sql.upkeep import entries

            return self._database.query(lambda connection: entries(connection, selected, last, _READ_AT_ONCE))

        while batch := await self._database.run(read):
            for kept in batch:
                yield kept
            last = batch[-1].entry.key

    async def runs_since(self, since: float) -> set[str]:
        """The runs that have paid for a call at `since` (Unix time) or later."""

        def read() -> set[str]:
            from dspex.store.sql.upkeep import runs_since

            return self._database.query(lambda connection: runs_since(connection, since))

        return await self._database.run(read)

    async def compact(self) -> None:
        """Give the room of what was thrown away back to the disk. Takes a while, and room for a copy."""

        def vacuum() -> None:
            self._database.vacuum()

        await self._database.run(vacuum)

    async def _settled(self, selection: Selection) -> Selection:
        """With a size turned into the age that it stands for."""
        most = selection.max_bytes
        if most is None:
            return selection

        def read() -> float | None:
            from dspex.store.sql.upkeep import age_of_size

            return self._database.query(lambda connection: age_of_size(connection, most))

        before = await self._database.run(read)
        limits = [limit for limit in (selection.before, before) if limit is not None]
        # Nothing is too much: then nothing is old enough.
        settled = 0.0 if before is None else min(limits)
        return replace(selection, before=settled, max_bytes=None)
