"""Records of runs, local and durable: what `dspex runs list` shows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dspex.errors import UsageError
from dspex.store.jsonable import encode
from dspex.store.records.run import RunRecord

if TYPE_CHECKING:
    from dspex.store.database import Database


_FIELDS = frozenset(
    ("optimizer", "program", "score", "baseline", "workflow_id", "started_at", "finished_at", "result"),
)


class Runs:
    """Records of runs, by id.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, run_id: str, status: str, **fields: Any) -> None:
        """Set the status and the given fields of a run, and leave its other fields; add its record if there is none.

        Args:
            run_id: The run.
            status: Such as ``"running"`` or ``"completed"``.
            fields: `optimizer`, `program`, `score`, `baseline`, `workflow_id`, `started_at` (now, unless given),
                `finished_at`, `result` (JSON).

        Raises:
            UsageError: there is no such field.
        """
        unknown = sorted(set(fields) - _FIELDS)
        if unknown:
            raise UsageError(f"A run has no field {', '.join(unknown)}. Fields: {', '.join(sorted(_FIELDS))}")
        values = {**fields, "status": status, "updated_at": time.time()}
        if fields.get("result") is not None:
            values["result"] = encode(fields["result"], "result")

        def write() -> None:
            from dspex.store.sql.runs import upsert

            self._database.transact(lambda connection: upsert(connection, run_id, values))

        await self._database.run(write)

    async def get(self, run_id: str) -> RunRecord | None:
        """Return the record of the run `run_id`, or None."""

        def read() -> RunRecord | None:
            from dspex.store.sql.runs import get

            return self._database.query(lambda connection: get(connection, run_id))

        return await self._database.run(read)

    async def list(self, limit: int = 100, status: str | None = None) -> list[RunRecord]:
        """List records, the latest run first.

        Args:
            limit: At most so many.
            status: Only runs of this status.
        """

        def read() -> list[RunRecord]:
            from dspex.store.sql.runs import latest

            return self._database.query(lambda connection: latest(connection, limit, status))

        return await self._database.run(read)
