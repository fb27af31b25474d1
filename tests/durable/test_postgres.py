"""The same run on PostgreSQL, which the workers of many hosts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import Postgres, postgres

import dspex
from dspex.runner.optimize import optimize_locally
from dspex.settings import context
from dspex.store import Store
from dspex.temporal.client import Client
from dspex_practice import PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

__all__ = ["postgres"]

pytestmark = pytest.mark.integration


@pytest.fixture
def store(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("DSPEX_STORE", postgres.new_database())
    opened = Store.open()
    yield opened
    opened.close()


async def test_run_on_postgresql_finds_what_a_local_run_on_sqlite_finds(
    model: PracticeServer, client: Client, worker: Worker, tmp_path: Path
) -> None:
    optimizer = dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=3, max_labeled_demos=6)
    train, val = task.examples(30), task.examples(100, 1000)
    with context(store=str(tmp_path / "local.db")):
        local = await optimize_locally(optimizer, task.program, trainset=train, valset=val)
    async with worker():
        run = await client.optimize(task.program, optimizer=optimizer, trainset=train, valset=val)
        result = await run.result()
    assert (result.score, result.baseline_score) == (local.score, local.baseline_score)
    assert result.program.dump_state() == local.program.dump_state()
    assert result.lm_calls == local.usage.calls
