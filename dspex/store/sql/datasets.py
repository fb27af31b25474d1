"""Datasets in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from dspex.store.dataset_block import MAX_ROWS, DatasetBlock, row_of, unpack
from dspex.store.records.dataset import DatasetRef
from dspex.store.sql.listed import Dialect, bind_list, listed_value
from dspex.store.sql.schema import blocks, datasets

ABANDONED_AFTER_S = 24 * 3600.0
"""A dataset that is still unfinished after so long belongs to a process that died."""


def find(connection: Connection, sha: str) -> tuple[int, DatasetRef] | None:
    """The number and the description of the dataset at `sha`."""
    c = datasets.c
    row = connection.execute(select(c.id, c.rows, c.inputs).where(c.sha == sha)).one_or_none()
    if row is None:
        return None
    number, count, inputs = row
    return number, DatasetRef(sha=sha, rows=count, inputs=json.loads(inputs))


def begin(connection: Connection, now: float) -> int:
    """A number for a new dataset, invisible until `finish`. Sweeps out those that were abandoned."""
    c = datasets.c
    for old in connection.execute(
        select(c.id).where(c.sha.is_(None), c.created_at < now - ABANDONED_AFTER_S)
    ).scalars():
        forget(connection, old)
    number: int = connection.execute(insert(datasets).values(created_at=now).returning(c.id)).scalar_one()
    return number


def add_blocks(connection: Connection, number: int, batch: Sequence[DatasetBlock]) -> None:
    rows = [{"dataset": number, "start": b.start, "count": b.count, "body": b.body} for b in batch]
    new: Any = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(blocks)
    connection.execute(new.on_conflict_do_nothing(), rows)  # sent again after a lost connection, they may be there


def finish(connection: Connection, number: int, ref: DatasetRef) -> None:
    """Make it visible; if another has put the same rows meanwhile, keep the other's."""
    statement = update(datasets).where(datasets.c.id == number)
    try:
        with connection.begin_nested():
            connection.execute(statement.values(sha=ref.sha, rows=ref.rows, inputs=json.dumps(ref.inputs)))
    except IntegrityError:
        forget(connection, number)


def forget(connection: Connection, number: int) -> None:
    connection.execute(delete(blocks).where(blocks.c.dataset == number))
    connection.execute(delete(datasets).where(datasets.c.id == number))


def rows_between(connection: Connection, number: int, start: int, stop: int) -> list[dict[str, Any]]:
    if start >= stop:
        return []
    c = blocks.c
    statement = (
        select(c.start, c.body).where(c.dataset == number, c.start > start - MAX_ROWS, c.start < stop).order_by(c.start)
    )
    rows: list[dict[str, Any]] = []
    for first, body in connection.execute(statement):
        lines = unpack(body)[max(0, start - first) : stop - first]
        rows.extend(map(row_of, lines))
    return rows


def rows_at(connection: Connection, number: int, indices: Sequence[int]) -> list[dict[str, Any]]:
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    wanted = select(listed_value(dialect, "wanted", BigInteger).label("at")).subquery()
    other = blocks.alias()
    start_of_block = (
        select(func.max(other.c.start)).where(other.c.dataset == number, other.c.start <= wanted.c.at).scalar_subquery()
    )
    starts = select(start_of_block).select_from(wanted)
    statement = select(blocks.c.start, blocks.c.count, blocks.c.body).where(
        blocks.c.dataset == number, blocks.c.start.in_(starts)
    )
    unique = sorted(set(indices))
    lines: dict[int, bytes] = {}
    for first, count, body in connection.execute(statement, {"wanted": bind_list(dialect, unique)}):
        block = unpack(body)
        lines.update((index, block[index - first]) for index in unique if first <= index < first + count)
    return [row_of(lines[index]) for index in indices]
