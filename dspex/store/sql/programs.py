"""Program states in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.sql.schema import programs


def add(connection: Connection, sha: str, state: bytes, now: float) -> None:
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(programs).on_conflict_do_nothing(), {"sha": sha, "state": state, "created_at": now})


def body(connection: Connection, sha: str) -> bytes | None:
    return connection.execute(select(programs.c.state).where(programs.c.sha == sha)).scalar()
