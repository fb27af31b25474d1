"""Batches on PostgreSQL, which the workers of many hosts share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import Postgres, postgres

import dspex
from dspex.settings import configure, reset
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.contracts.batch import BatchOptions
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "batch"))

from provider import Provider

__all__ = ["postgres"]

pytestmark = pytest.mark.integration


@pytest.fixture
def store(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("DSPEX_STORE", postgres.new_database())
    opened = Store.open()
    yield opened
    opened.close()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv(task.KEY_VARIABLE, task.SECRET)
    with Provider(sorts=True, expire_first=1, bad="Order 3:") as started:
        configure(lm=dspex.LM("openai/gpt-4o-mini", api_base=started.url, api_key_env=task.KEY_VARIABLE))
        yield started
    reset()


async def test_batches_within_a_budget_on_postgresql(provider: Provider, client: Client, worker: Worker) -> None:
    soon = BatchOptions(first_look=0.1, longest_look=0.5, settle=0.05, uncertain=1.0)
    async with worker():
        run = await client.evaluate(
            task.TwoSteps(), devset=task.examples(20), metric=right_kind, batch=soon, budget=dspex.Budget(calls=100)
        )
        result = await run.result()
    assert (result.score, result.n_failed, result.lm_calls) == (95.0, 1, 38)
    assert (await client.store.ledger.bill(run.id)).repeated == 0
    spending = await client.store.budgets.get(run.id)
    assert spending is not None
    assert spending.used_calls == 38
