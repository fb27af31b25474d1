"""Run records in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.jsonable import decode
from dspex.store.records.run import RunRecord
from dspex.store.sql.schema import runs

_RECORD = [runs.c[name] for name in RunRecord.__slots__]


def upsert(connection: Connection, run_id: str, values: dict[str, Any]) -> None:
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = {"run_id": run_id, "started_at": values["updated_at"], **values}
    statement = insert(runs).values(new).on_conflict_do_update(index_elements=["run_id"], set_=values)
    connection.execute(statement)


def get(connection: Connection, run_id: str) -> RunRecord | None:
    row = connection.execute(select(*_RECORD).where(runs.c.run_id == run_id)).one_or_none()
    return None if row is None else _record(row)


def latest(connection: Connection, limit: int, status: str | None) -> list[RunRecord]:
    statement = select(*_RECORD).order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
    if status is not None:
        statement = statement.where(runs.c.status == status)
    return [_record(row) for row in connection.execute(statement)]


def _record(row: Row[*tuple[Any, ...]]) -> RunRecord:
    values = dict(zip(RunRecord.__slots__, row, strict=True))
    result = values["result"]
    return RunRecord(**{**values, "result": None if result is None else decode(result)})
