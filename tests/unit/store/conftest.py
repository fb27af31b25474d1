"""Every test of the store runs on SQLite and on a real PostgreSQL (skipped, with the reason, where there is none)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.postgres import Postgres, postgres

from dspex.store import Store

__all__ = ["postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def another(url: str) -> Iterator[Callable[[], Store]]:
    """Makes stores on the same database, each an owner of claims like a process of its own."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(url))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(another: Callable[[], Store]) -> Store:
    return another()
