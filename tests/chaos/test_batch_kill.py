"""`kill -9` of the worker at each step of a batch: nothing is submitted twice, and the result is the same."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.cluster import Cluster
from chaos.dying import STEPS
from durable import task
from durable.task import right_kind

import dspex
from dspex.settings import configure, reset
from dspex.temporal.client import Client
from dspex.temporal.contracts.batch import BatchOptions

pytestmark = [pytest.mark.chaos, pytest.mark.integration]

ROWS = 12
SOON = BatchOptions(first_look=0.1, longest_look=0.5, settle=0.1, uncertain=3.0)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with Cluster(tmp_path, imports=("durable.task", "chaos.dying")) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
    reset()


@pytest.mark.parametrize("step", STEPS)
async def test_worker_killed(step: str, cluster: Cluster, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    cluster.start_server()
    cluster.start_lm("--batch-seconds", "0.2")
    configure(lm=dspex.LM("openai/practice", api_base=cluster.lm_url))
    await cluster.server.ready()
    doomed = cluster.start_worker(DSPEX_TEST_DIE_AT=step, DSPEX_TEST_DEATHS=str(deaths))
    client = await Client.connect()
    run = await client.evaluate(task.TwoSteps(), devset=task.examples(ROWS), metric=right_kind, batch=SOON)
    doomed.wait(60)
    cluster.start_worker()
    result = await run.result()
    assert [mark.name for mark in deaths.iterdir()] == [step.replace(" ", "-")]
    requests = cluster.lm_stats()["endpoints"]["chat/completions (batch)"]
    assert requests["duplicates"] == 0
    assert result.lm_calls == requests["calls"]
    assert (await client.store.ledger.bill(run.id)).repeated == 0
    assert len(batches(cluster)) == 2, "one for each of the program's two steps"
    assert result.score == await undisturbed(client)
    client.store.close()


async def undisturbed(client: Client) -> float | None:
    """All calls are answered by now, and the ledger gives the score again."""
    again = await client.evaluate(task.TwoSteps(), devset=task.examples(ROWS), metric=right_kind)
    found = await again.result()
    assert found.lm_calls == 0
    return found.score


def batches(cluster: Cluster) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{cluster.lm_url}/batches?limit=100", timeout=5) as response:
        found: list[dict[str, Any]] = json.load(response)["data"]
        return found
