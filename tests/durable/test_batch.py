"""Durable evaluations through a provider's batch API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.settings import configure, reset
from dspex.temporal.batch_contracts import BatchOptions
from dspex.temporal.client import Client
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "batch"))

from provider import Provider

pytestmark = pytest.mark.integration

SOON = BatchOptions(first_look=0.1, longest_look=0.5, settle=0.05, uncertain=1.0)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv(task.KEY_VARIABLE, task.SECRET)
    with Provider(sorts=True) as started:
        configure(lm=dspex.LM("openai/gpt-4o-mini", api_base=started.url, api_key_env=task.KEY_VARIABLE))
        yield started
    reset()


async def evaluated(client: Client, program: Any, rows: int, **options: Any) -> Any:
    run = await client.evaluate(program, devset=task.examples(rows), metric=right_kind, batch=SOON, **options)
    return await run.result()


async def test_rows_of_two_steps_take_two_waves_at_half_the_price(
    provider: Provider, client: Client, worker: Worker
) -> None:
    async with worker():
        result = await evaluated(client, task.TwoSteps(), 20)
    assert result.score == 100.0
    assert len(provider.batches) == 2
    assert provider.calls == 0
    assert (result.lm_calls, result.lm_calls_from_ledger) == (40, 0)
    assert result.cost_usd == pytest.approx(40 * (1000 * 0.15e-6 + 100 * 0.6e-6) / 2)
