"""Fine-tuning as a durable run: over real HTTP, with an ordinary worker and a Temporal server."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from typing import Any

import pytest
from support.finetune_provider import FakeOpenAI, examples, over_http
from support.waiting import until
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

import dspex
from dspex.clients.utils_finetune import TrainDataFormat
from dspex.errors import LMUnsupportedFeatureError, UsageError
from dspex.finetuning.polling import Polling
from dspex.settings import context
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.finetune_run import FinetuneRun
from dspex.temporal.run import RunCancelledError, RunFailedError
from dspex.temporal.search_attributes import OPTIMIZER, PROGRAM
from dspex.temporal.server import EmbeddedServer
from dspex.worker.worker import replayer
from durable.conftest import Worker
from durable.task import KEY_VARIABLE, SECRET

pytestmark = pytest.mark.integration

QUICK = Polling(first=0.05, longest=0.05)
MARK = "Question 3?"
"""Stands in the training data, and must never be found in a history."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    return FakeOpenAI()


@pytest.fixture
def lm(provider: FakeOpenAI) -> Iterator[dspex.LM]:
    with over_http(provider) as url:
        yield dspex.LM("openai/gpt-4o-mini", api_base=url, api_key_env=KEY_VARIABLE)


async def start(client: Client, lm: dspex.LM, id: str | None = None, **options: Any) -> FinetuneRun:
    return await client.finetune(lm, examples(), **{"id": id, "polling": QUICK, **options})


async def history_of(client: Client, run_id: str) -> WorkflowHistory:
    return await client.temporal.get_workflow_handle(run_id).fetch_history()


async def test_result_knows_the_model_and_what_it_took(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, lm, train_kwargs={"n_epochs": 2, "usd_per_million_tokens": 1000})
        seen = [progress async for progress in run.watch(every=0.01)]
        result = await run.result()
        trained = await run.lm()
    assert result.model.startswith("ft:gpt-4o-mini:acme:dspex-")
    assert (result.job_id, result.file_id, result.examples) == ("ftjob-1", "file-1", 12)
    assert (result.trained_tokens, result.cost_usd) == (4321, 4.321)
    assert (trained.model, trained.api_base) == (result.model, lm.api_base)
    assert provider.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    assert {progress.run_id for progress in seen} == {run.id}


async def test_data_and_key_are_in_no_history_and_it_replays(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, lm)
        await run.result()
    history = await history_of(client, run.id)
    text = history.to_json()
    assert "FinetuneModel" in text
    assert MARK not in text
    assert SECRET not in text
    await replayer().replay_workflow(history)


async def test_same_id_attaches_and_another_id_finds_the_same_job(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    first, second = await start(client, lm, "tuned"), await start(client, lm, "tuned")
    async with worker():
        found = [await first.result(), await second.result()]
        other = await (await start(client, lm, "tuned-again")).result()
        attached = await client.run("tuned")
        assert isinstance(attached, FinetuneRun)
        found.append(await attached.result())
    assert found[0] == found[1] == found[2]
    assert other.model == found[0].model
    assert (len(provider.files), len(provider.jobs)) == (1, 1)
    with pytest.raises(UsageError, match="a run 'tuned' already"):
        await start(client, lm, "tuned", train_kwargs={"n_epochs": 9})


async def test_search_attributes_and_list_show_it(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, lm)
        await run.result()
    found = (await client.temporal.get_workflow_handle(run.id).describe()).typed_search_attributes
    assert (found[OPTIMIZER], found[PROGRAM]) == ("finetune", "openai/gpt-4o-mini")

    async def listed() -> bool:
        return run.id in [execution.id async for execution in client.runs()]

    await until(listed, "the server lists the run")


async def test_failed_job_fails_the_run_with_the_providers_words_and_the_same_id_tries_anew(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    provider.stages = ("running", "failed")
    async with worker():
        with pytest.raises(RunFailedError, match=r"The file is bad\. \(invalid_training_file\)"):
            await (await start(client, lm, "again")).result()
        provider.stages = ("succeeded",)
        result = await (await start(client, lm, "again")).result()
    assert result.job_id == "ftjob-2"
    assert len(provider.files) == 1


async def test_stopping_cancels_the_providers_job(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    provider.stages = ("running",)
    async with worker():
        run = await start(client, lm)

        async def runs() -> bool:
            return (await run.progress()).phase == "running"

        await until(runs, "the provider's job runs")
        with pytest.raises(UsageError, match="cannot be made to wait"):
            await run.pause()
        await run.stop()
        with pytest.raises(RunCancelledError, match="was cancelled"):
            await run.result()
    assert provider.jobs[0]["status"] == "cancelled"
    assert await run.status() is WorkflowExecutionStatus.CANCELED


async def test_stopping_while_the_job_is_being_created_leaves_none_running(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    """The job is made, and its answer lost; the run is stopped before it is looked for."""
    provider.stages = ("running",)
    async with worker():
        run = await start(client, lm)
        handle = client.temporal.get_workflow_handle(run.id)
        provider.lose_answer.add("POST /fine_tuning/jobs")
        await until(lambda: _asked(provider, "POST /fine_tuning/jobs"), "the job is asked for")
        await handle.cancel()
        with pytest.raises(RunCancelledError):
            await run.result()
    assert [job["status"] for job in provider.jobs] == ["cancelled"]


async def _asked(provider: FakeOpenAI, what: str) -> bool:
    return provider.count(what) > 0


async def test_stopping_a_run_that_no_worker_has_taken_up_asks_the_provider_for_nothing(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    run = await start(client, lm)
    await run.stop()
    async with worker():
        with pytest.raises(RunCancelledError):
            await run.result()
    assert provider.jobs == []


async def test_wrong_key_fails_the_run_at_once(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    provider.refuse["GET /files"] = (401, {"error": {"message": f"Incorrect API key provided: {SECRET}."}})
    async with worker():
        with pytest.raises(RunFailedError, match=r"401: Incorrect API key provided: \*\*\*"):
            await (await start(client, lm)).result()


async def test_refused_job_fails_the_run_at_once(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    words = "Model gpt-4o-mini is not available for fine-tuning."
    provider.refuse["POST /fine_tuning/jobs"] = (400, {"error": {"message": words}})
    async with worker():
        with pytest.raises(RunFailedError, match=words):
            await (await start(client, lm)).result()
    assert provider.count("POST /fine_tuning/jobs") == 1


async def test_outage_during_the_wait_is_waited_out(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    impatient = lm.copy(num_retries=0)
    provider.refuse["GET /fine_tuning/jobs/ftjob-1"] = (503, {"error": {"message": "Overloaded."}})
    async with worker():
        result = await (await start(client, impatient)).result()
    assert result.job_id == "ftjob-1"


async def test_long_wait_goes_on_in_a_new_history(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker
) -> None:
    provider.stages = (*(f"stage-{number}" for number in range(10)), "succeeded")
    polling = Polling(first=0.0, longest=0.0, looks_a_history=3)
    async with worker():
        run = await start(client, lm, polling=polling)
        result = await run.result()
    described = await client.temporal.get_workflow_handle(run.id).describe()
    assert described.run_id != described.raw_description.workflow_execution_info.first_run_id, "it continued as new"
    assert (result.job_id, len(provider.jobs)) == ("ftjob-1", 1)


async def test_bad_input_starts_nothing(provider: FakeOpenAI, lm: dspex.LM, client: Client) -> None:
    with pytest.raises(UsageError, match="row 0: has no 'messages'"):
        await client.finetune(lm, [{}] * 12, id="refused")
    with pytest.raises(UsageError, match="n_epoch,"):
        await client.finetune(lm, examples(), train_kwargs={"n_epoch": 1}, id="refused")
    with pytest.raises(UsageError, match="api_key_env"):
        await client.finetune(lm.copy(api_key="sk-inline-key"), examples(), id="refused")
    elsewhere = dspex.LM("hosted_vllm/llama", api_base=lm.api_base)
    with pytest.raises(LMUnsupportedFeatureError, match="has Provider for its"):
        await client.finetune(elsewhere, examples(), id="refused")
    with pytest.raises(UsageError, match="no run"):
        await client.run("refused")
    assert provider.asked == []


async def test_data_in_the_store_are_trained_on_by_reference(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker, store: Store
) -> None:
    ref = await store.datasets.put(examples(300))
    async with worker():
        result = await (await client.finetune(lm, ref, polling=QUICK)).result()
    assert result.examples == 300
    assert provider.contents["file-1"].count(b"\n") == 300


def test_the_same_call_is_durable_where_a_server_is_configured(
    provider: FakeOpenAI, lm: dspex.LM, temporal_server: EmbeddedServer, store: Store
) -> None:
    with context(temporal=temporal_server.address, task_queue="finetune-from-lm"):
        job = lm.finetune(examples(), TrainDataFormat.CHAT)
        trained = job.result(timeout=60)
        again = lm.finetune(examples(), TrainDataFormat.CHAT).result(timeout=60)
    assert isinstance(trained, dspex.LM), trained
    assert trained.model == again.model
    assert trained.model.startswith("ft:")
    assert (len(provider.files), len(provider.jobs)) == (1, 1)


async def test_command_line_lists_shows_and_follows_it(
    provider: FakeOpenAI, lm: dspex.LM, client: Client, worker: Worker, temporal_server: EmbeddedServer
) -> None:
    async with worker():
        run = await start(client, lm, "tuned-on-the-side", train_kwargs={"usd_per_million_tokens": 1000})
        watched, _ = await _dspex(temporal_server, "runs", "watch", run.id, "--json")
    summary = json.loads(watched)
    assert (summary["run_id"], summary["job_id"]) == (run.id, provider.jobs[0]["id"])
    assert (summary["examples"], summary["trained_tokens"], summary["cost_usd"]) == (12, 4321, 4.321)
    shown, _ = await _dspex(temporal_server, "runs", "show", run.id)
    assert summary["model"] in shown
    listed = json.loads((await _dspex(temporal_server, "runs", "list", "--json"))[0])["runs"]
    assert [row["run_id"] for row in listed if row["optimizer"] == "finetune" and run.id in row["run_id"]] == [run.id]
    _, said = await _dspex(temporal_server, "runs", "result", run.id, "--out", "program.json")
    assert "was a fine-tuning: it made no program to write" in said


async def _dspex(server: EmbeddedServer, *arguments: str) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dspex", *arguments, "--temporal", server.address, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    return out.decode(), err.decode()
