"""Outcomes in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.jsonable import decode
from dspex.store.records.outcome import Failure, Outcome
from dspex.store.sql.listed import Dialect, bind_list, listed
from dspex.store.sql.schema import outcomes

_c = outcomes.c
_KEY = [_c.run_id, _c.path, _c.idx]
_OUTCOME = [
    _c.idx,
    _c.score,
    _c.error,
    _c.passed,
    _c.demos,
    _c.prediction,
    _c.lm_calls,
    _c.lm_calls_from_ledger,
    _c.attempts,
    _c.errors,
]


def upsert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    new: Any = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(outcomes)
    values = {column.name: new.excluded[column.name] for column in _OUTCOME if column is not _c.idx}
    # Sorted, so that two that write the same examples never wait for each other.
    ordered = sorted(rows, key=lambda row: row["idx"])
    connection.execute(new.on_conflict_do_update(index_elements=_KEY, set_=values), ordered)


def between(connection: Connection, run_id: str, path: str, start: int, stop: int) -> list[Outcome]:
    return _read(connection, run_id, path, (_c.idx >= start) & (_c.idx < stop), {})


def at(connection: Connection, run_id: str, path: str, indices: Sequence[int]) -> list[Outcome]:
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    wanted = _c.idx.in_(listed(dialect, "indices", BigInteger))
    return _read(connection, run_id, path, wanted, {"indices": bind_list(dialect, indices)})


def failures(connection: Connection, run_id: str, limit: int) -> list[Failure]:
    statement = (
        select(_c.path, _c.idx, _c.error)
        .where(_c.run_id == run_id, _c.error.is_not(None))
        .order_by(_c.path, _c.idx)
        .limit(limit)
    )
    return [Failure(*row) for row in connection.execute(statement)]


def _read(
    connection: Connection, run_id: str, path: str, which: ColumnElement[bool], bound: dict[str, Any]
) -> list[Outcome]:
    statement = select(*_OUTCOME).where(_c.run_id == run_id, _c.path == path, which).order_by(_c.idx)
    return [_outcome(row) for row in connection.execute(statement, bound)]


def _outcome(row: Row[*tuple[Any, ...]]) -> Outcome:
    index, score, error, passed, demos, prediction, lm_calls, from_ledger, attempts, errors = row
    return Outcome(
        index=index,
        score=score,
        error=error,
        passed=passed,
        demos=None if demos is None else decode(demos),
        prediction=None if prediction is None else decode(prediction),
        lm_calls=lm_calls,
        lm_calls_from_ledger=from_ledger,
        attempts=attempts,
        errors=tuple(decode(errors)),
    )
