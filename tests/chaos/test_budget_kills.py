"""A budget holds although workers are killed: what was in flight counts, for nobody knows whether it was paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from chaos.cluster import Cluster, kill, wait_until
from durable import task
from durable.task import right_kind
from support.waiting import until

import dspex
from dspex.settings import configure, reset
from dspex.temporal.client import Client
from dspex.temporal.run import Run

pytestmark = [pytest.mark.chaos, pytest.mark.integration]

PRICE = {"input": 1.0, "output": 2.0}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with Cluster(tmp_path, imports=("durable.task",)) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
    reset()


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    cluster.start_server()
    await cluster.server.ready()
    connected = await Client.connect()
    yield connected
    connected.store.close()


def spent(cluster: Cluster) -> float:
    """What the provider would charge: also for answers that nobody was there to take."""
    stats = cluster.lm_stats()
    return float((stats["prompt_tokens"] * PRICE["input"] + stats["completion_tokens"] * PRICE["output"]) / 1e6)


async def is_out_of_budget(run: Run) -> bool:
    return (await run.progress()).phase == "out of budget"


@pytest.mark.parametrize("budget", [dspex.Budget(usd=0.1), dspex.Budget(calls=300)], ids=str)
async def test_kills_do_not_make_a_run_pass_its_budget(cluster: Cluster, client: Client, budget: dspex.Budget) -> None:
    cluster.start_lm("--latency", "0.2")
    configure(lm=dspex.LM("openai/practice", api_base=cluster.lm_url, max_concurrency=8, price=PRICE, max_tokens=60))
    workers = [cluster.start_worker() for _ in range(2)]
    run = await client.evaluate(task.program, devset=task.examples(600), metric=right_kind, budget=budget, id="spender")
    for answered in (40, 90, 140):
        await asyncio.to_thread(
            wait_until, lambda most=answered: cluster.lm_stats()["answered"] >= most, f"{answered} answers"
        )
        for worker in workers:
            kill(worker)
        workers = [cluster.start_worker() for _ in range(2)]
    await until(lambda: is_out_of_budget(run), "it says that it is out of budget", seconds=120)
    stats = cluster.lm_stats()
    assert stats["calls"] <= (budget.calls or 10**9)
    assert spent(cluster) <= (budget.usd or 10**9)
    assert stats["answered"] > 150, "and yet it spent what it might"
    spending = await run.set_budget(usd=100, calls=100_000)
    assert spending.usd == 100
    result = await run.result()
    assert result.n_failed == 0
    bill = await run.bill()
    assert bill.calls <= cluster.lm_stats()["answered"]
