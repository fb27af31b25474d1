"""`kill -9` of the worker and the server around a fine-tuning: one file and one job at the provider, and its model."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.cluster import Cluster, kill
from support.finetune_provider import FakeOpenAI, examples, over_http
from support.waiting import until

import dspex
from dspex.finetuning.polling import Polling
from dspex.settings import reset
from dspex.temporal.client import Client
from dspex.temporal.finetune_run import FinetuneRun

pytestmark = [pytest.mark.chaos, pytest.mark.integration]

QUICK = Polling(first=0.2, longest=0.2)
KEY_VARIABLE, KEY = "DSPEX_TEST_KEY", "sk-finetune-c0ffee"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Cluster(tmp_path) as made:
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


async def start(client: Client, url: str) -> FinetuneRun:
    lm = dspex.LM("openai/gpt-4o-mini", api_base=url, api_key_env=KEY_VARIABLE)
    return await client.finetune(lm, examples(), id="tuned", polling=QUICK)


@pytest.mark.parametrize(
    "moment", ["GET /files", "POST /files", "POST /fine_tuning/jobs", "GET /fine_tuning/jobs/ftjob-1"]
)
async def test_worker_killed_before_it_hears_what_it_asked_for_makes_nothing_twice(
    moment: str, cluster: Cluster, client: Client
) -> None:
    """The provider has done what it was asked when the worker dies, and the worker never hears of it."""
    provider = FakeOpenAI(("queued", "running", "running-still", "succeeded"))
    killed: list[str] = []

    def kill_worker(asked: str) -> None:
        if asked == moment and not killed:
            killed.append(asked)
            kill(cluster.workers[-1])

    provider.done = kill_worker
    with over_http(provider) as url:
        cluster.start_worker()
        run = await start(client, url)
        await until(lambda: _holds(killed), f"the worker is killed at {moment}")
        cluster.start_worker()
        result = await run.result()
    assert (result.job_id, result.file_id) == ("ftjob-1", "file-1")
    assert (len(provider.files), len(provider.jobs)) == (1, 1)
    assert (provider.count("POST /files"), provider.count("POST /fine_tuning/jobs")) == (1, 1)


async def _holds(something: Any) -> bool:
    return bool(something)


async def test_worker_and_server_killed_again_and_again_end_with_one_job_of_the_practice_model(
    cluster: Cluster, client: Client
) -> None:
    cluster.start_lm("--tuning-seconds", "6")
    worker = cluster.start_worker()
    run = await start(client, cluster.lm_url)
    await until(lambda: _count(cluster, "files", 1), "the file is uploaded")
    kill(worker)
    worker = cluster.start_worker()
    await until(lambda: _count(cluster, "fine_tuning/jobs", 1), "the job is created")
    kill(worker)
    cluster.kill_server()
    cluster.start_server()
    await cluster.server.ready()
    cluster.start_worker()
    result = await run.result()
    (file,), (job,) = _listed(cluster, "files"), _listed(cluster, "fine_tuning/jobs")
    assert (result.file_id, result.job_id) == (file["id"], job["id"])
    assert (result.model, result.trained_tokens) == (job["fine_tuned_model"], job["trained_tokens"])
    assert KEY not in (await client.temporal.get_workflow_handle("tuned").fetch_history()).to_json()


async def _count(cluster: Cluster, what: str, wanted: int) -> bool:
    return len(await asyncio.to_thread(_listed, cluster, what)) >= wanted


def _listed(cluster: Cluster, what: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{cluster.lm_url}/{what}", timeout=5) as response:
        found: list[dict[str, Any]] = json.load(response)["data"]
        return found
