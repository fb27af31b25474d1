"""Runs under kill -9: identical results, and nothing is paid for twice but what was in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.cluster import Cluster, kill, wait_until
from durable import task
from durable.task import right_kind

import dspex
from dspex.runner.optimize import optimize_locally
from dspex.runner.references import reference
from dspex.runner.saved import document_bytes, program_bytes
from dspex.settings import configure, context, reset
from dspex.temporal.client import Client
from dspex.temporal.run import Run, RunResult

pytestmark = [pytest.mark.chaos, pytest.mark.integration]

TRAIN = task.examples(60)
VAL = task.examples(600, 1000)


def bootstrap() -> dspex.BootstrapFewShot:
    return dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=4, max_labeled_demos=8)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", tests)
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


def use_model(cluster: Cluster, *options: str) -> None:
    cluster.start_lm(*options)
    configure(lm=dspex.LM("openai/practice", api_base=cluster.lm_url, max_concurrency=16))


async def start(client: Client) -> Run:
    return await client.optimize(task.program, optimizer=bootstrap(), trainset=TRAIN, valset=VAL, id="kept")


async def undisturbed(tmp_path: Path) -> tuple[bytes, float | None, float | None]:
    """The same optimization in this process, with a store of its own."""
    with context(store=str(tmp_path / "undisturbed.db")):
        found = await optimize_locally(bootstrap(), task.program, trainset=TRAIN, valset=VAL)
    return program_bytes(found.program, reference(task.program)), found.score, found.baseline_score


def outcome(result: RunResult) -> tuple[bytes, float | None, float | None]:
    assert result.document is not None
    return document_bytes(result.document), result.score, result.baseline_score


class Killer:
    """Kills every worker once a number of new calls has been answered, and counts what was in flight then."""

    def __init__(self, cluster: Cluster, workers: int = 2) -> None:
        self.cluster = cluster
        self.number = workers
        self.in_flight = 0
        self.kills = 0
        self.workers = [cluster.start_worker() for _ in range(workers)]

    async def go_on_until(self, done: asyncio.Future[Any], *, every: int, server_at: int) -> None:
        seen = 0
        while not done.done():
            await asyncio.sleep(0.05)
            answered = self.cluster.lm_stats()["answered"]
            if answered - seen >= every:
                seen = answered
                self._kill_all()
                if self.kills == server_at:
                    self.cluster.kill_server()
                    self.cluster.start_server()
                self.workers = [self.cluster.start_worker() for _ in range(self.number)]

    def _kill_all(self) -> None:
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.wait()
        self.kills += 1
        # What the dead had in flight is at most what their limiters let through; the model's own count may miss
        # answers that were on the wire.
        self.in_flight += 16 * self.number


async def test_killing_workers_and_server_repeats_only_calls_in_flight_and_changes_nothing(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    use_model(cluster, "--latency", "0.05")
    run = await start(client)
    result = asyncio.ensure_future(run.result())
    killer = Killer(cluster)
    await killer.go_on_until(result, every=250, server_at=2)
    found = await result
    stats = cluster.lm_stats()
    assert killer.kills >= 3
    assert stats["calls"] - stats["distinct_requests"] <= killer.in_flight
    assert outcome(found) == await undisturbed(tmp_path)


async def test_calls_answered_and_kept_are_never_asked_again(cluster: Cluster, client: Client) -> None:
    use_model(cluster, "--latency", "0.02")
    run = await start(client)
    worker = cluster.start_worker()
    wait_until(lambda: cluster.lm_stats()["answered"] >= 200, "some calls are answered")
    kill(worker)
    kept = (await client.store.ledger.bill(run.id)).calls
    before = cluster.lm_stats()
    cluster.start_worker()
    await run.result()
    after = cluster.lm_stats()
    repeated = after["calls"] - after["distinct_requests"]
    assert kept >= 180
    assert repeated <= before["calls"] - kept


async def test_killed_workers_and_a_storm_of_errors_change_nothing(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    use_model(cluster, "--latency", "0.02", "--error-rate", "0.3", "--retry-after", "0.05")
    run = await start(client)
    result = asyncio.ensure_future(run.result())
    killer = Killer(cluster)
    await killer.go_on_until(result, every=400, server_at=0)
    found = await result
    assert killer.kills >= 1
    assert sum(cluster.lm_stats()["errors"].values()) > 100
    assert outcome(found) == await undisturbed(tmp_path)


async def test_two_workers_share_a_run_and_one_finishes_alone(cluster: Cluster, client: Client) -> None:
    use_model(cluster, "--latency", "0.1")
    run = await start(client)
    first, second = cluster.start_worker(), cluster.start_worker()
    wait_until(lambda: cluster.lm_stats()["max_in_flight"] > 16, "more calls in flight than one worker makes")
    kill(first)
    result = await run.result()
    assert second.poll() is None
    assert result.score is not None
    stats = cluster.lm_stats()
    assert stats["calls"] - stats["distinct_requests"] <= 16


async def test_a_worker_that_is_told_to_stop_loses_nothing(cluster: Cluster, client: Client) -> None:
    use_model(cluster, "--latency", "0.1")
    run = await start(client)
    first = cluster.start_worker()
    wait_until(lambda: cluster.lm_stats()["answered"] >= 50, "some calls are answered")
    first.terminate()
    cluster.start_worker()
    assert first.wait(60) == 0
    await run.result()
    stats = cluster.lm_stats()
    assert stats["calls"] == stats["distinct_requests"], "no call was made twice"
