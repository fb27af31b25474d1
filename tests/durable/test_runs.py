"""Starting, attaching to, watching, stopping and failing durable runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.waiting import until
from temporalio.client import WorkflowExecutionStatus

import dspex
from dspex.errors import LMNotConfiguredError, UsageError
from dspex.settings import context
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.connection import TemporalNotReachableError
from dspex.temporal.contracts.optimize import Chunking
from dspex.temporal.run import Run, RunCancelledError, RunFailedError
from dspex.temporal.search_attributes import BEST_SCORE, OPTIMIZER, PROGRAM
from dspex.temporal.server import free_port
from dspex_practice import PracticeOptions, PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

pytestmark = pytest.mark.integration

BOOTSTRAP = dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=2, max_labeled_demos=4)


async def start(client: Client, id: str | None = None, **changes: Any) -> Run:
    arguments: dict[str, Any] = {
        "optimizer": BOOTSTRAP,
        "trainset": task.examples(20),
        "valset": task.examples(30, 1000),
        "id": id,
    }
    return await client.optimize(task.program, **{**arguments, **changes})


async def test_same_id_attaches_to_the_run_under_way_and_to_the_one_that_is_done(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    first = await start(client, "attached")
    second = await start(client, "attached")
    async with worker():
        found = await asyncio.gather(first.result(), second.result())
        third = await (await start(client, "attached")).result()
    assert found[0].document == found[1].document == third.document
    assert model.stats()["duplicates"] == 0
    assert found[0].lm_calls == model.stats()["answered"]


async def test_same_id_with_another_metric_is_refused(model: PracticeServer, client: Client, worker: Worker) -> None:
    await start(client, "taken")
    with pytest.raises(UsageError, match="a run 'taken' already"):
        await start(client, "taken", metric="exact_match")


async def test_result_knows_scores_bill_and_program(model: PracticeServer, client: Client, worker: Worker) -> None:
    async with worker():
        result = await (await start(client)).result()
    stats = model.stats()
    assert result.score is not None
    assert result.baseline_score is not None
    assert (result.lm_calls, result.n_failed) == (stats["answered"], 0)
    assert (result.prompt_tokens, result.completion_tokens) == (stats["prompt_tokens"], stats["completion_tokens"])
    assert len(result.program.predictors()[0].demos) == 4


async def test_second_run_of_the_same_task_pays_for_nothing(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        first = await (await start(client)).result()
        again = await (await start(client)).result()
    assert again.document == first.document
    assert (again.lm_calls, again.lm_calls_from_ledger) == (0, first.lm_calls)


async def test_search_attributes_say_optimizer_program_and_best_score(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, "findable")
        result = await run.result()
    found = (await client.temporal.get_workflow_handle("findable").describe()).typed_search_attributes
    assert found[OPTIMIZER] == "bootstrap"
    assert found[PROGRAM] == "Predict(text -> kind)"
    assert found[BEST_SCORE] == max(result.score or 0, result.baseline_score or 0)


async def test_watching_shows_the_phases_and_ends_with_the_run(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client)
        seen = [progress async for progress in run.watch(every=0.01)]
    assert {"baseline", "final"} <= {str(progress.phase) for progress in seen}
    assert await run.status() is WorkflowExecutionStatus.COMPLETED


async def test_stopping_keeps_the_best_so_far_and_runs_nothing_further(
    client: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(task.KEY_VARIABLE, task.SECRET)
    slow = PracticeOptions(latency=0.5, api_key=task.SECRET)
    with PracticeServer(slow) as server:
        lm = dspex.LM("openai/practice", api_base=server.url, api_key_env=task.KEY_VARIABLE, max_concurrency=2)
        with context(lm=lm):
            async with worker():
                run = await start(client)
                await until(lambda: _calls(server, 3), "some calls are made")
                await run.stop()
                result = await run.result()
                answered = server.stats()["calls"]
    assert result.stopped
    assert result.score is None
    assert result.document is not None
    assert answered < 50, "the baseline alone is 30 calls, of 2 at a time"


async def _calls(server: PracticeServer, count: int) -> bool:
    return bool(server.stats()["calls"] >= count)


async def test_paused_run_takes_no_step_until_it_is_resumed(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client)
        await run.pause()

        async def is_paused() -> bool:
            return (await run.progress()).phase == "paused"

        await until(is_paused, "the run says that it is paused")
        await run.resume()
        assert (await run.result()).score is not None


async def test_cancelled_run_says_so(model: PracticeServer, client: Client, worker: Worker) -> None:
    run = await start(client)
    await run.cancel()
    async with worker():
        with pytest.raises(RunCancelledError, match="was cancelled"):
            await run.result()


async def test_wrong_key_fails_the_run_at_once_with_the_providers_words(
    model: PracticeServer, client: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(task.KEY_VARIABLE, "sk-wrong-key")
    async with worker():
        with pytest.raises(RunFailedError, match="401") as caught:
            await (await start(client)).result()
    assert "sk-wrong-key" not in str(caught.value)
    assert model.stats()["answered"] == 0


async def test_missing_key_fails_the_run_before_any_call(
    model: PracticeServer, client: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await start(client)
    monkeypatch.delenv(task.KEY_VARIABLE)
    async with worker():
        with pytest.raises(RunFailedError, match=task.KEY_VARIABLE):
            await run.result()
    assert model.stats()["calls"] == 0


async def test_run_waits_for_a_worker_that_has_imported_the_program(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    run = await start(client)
    async with worker(imports=()):

        async def says_what_is_missing() -> bool:
            return "durable.task" in (await run.progress()).message

        await until(says_what_is_missing, "the progress names the missing module")
        assert model.stats()["calls"] == 0
        async with worker():
            assert (await run.result()).score is not None


async def test_program_failures_are_scored_and_listed_with_their_errors(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await client.evaluate(task.Fragile(), devset=task.examples(40), metric=right_kind)
        result = await run.result()
    failures = await run.failures()
    assert result.n_failed == len(failures) == 5
    assert all(failure.error.startswith("ValueError: cannot digest") for failure in failures)


async def test_store_of_another_host_is_told_apart(
    model: PracticeServer, client: Client, worker: Worker, tmp_path: Any
) -> None:
    run = await start(client)
    stranger = Store(tmp_path / "elsewhere.db")
    client.store, own = stranger, client.store
    async with worker():
        with pytest.raises(RunFailedError, match="DSPEX_STORE"):
            await run.result()
    client.store = own
    stranger.close()


async def test_evaluation_of_many_rows_goes_on_in_a_new_history(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    """The server suggests a new history after some thousand events; one row a chunk gets there."""
    one_by_one = Chunking(first=1, largest=1, in_flight=64)
    async with worker(max_chunks=64):
        run = await client.evaluate(task.program, devset=task.examples(1500), metric=right_kind, chunking=one_by_one)
        result = await run.result()
    described = await client.temporal.get_workflow_handle(run.id).describe()
    first_run = described.raw_description.workflow_execution_info.first_run_id
    assert described.run_id != first_run, "it continued as new"
    assert result.score == (await _score_here())


async def _score_here() -> float:
    evaluate = dspex.Evaluate(devset=task.examples(1500), metric=right_kind)
    found: dspex.EvaluationResult = await evaluate.acall(task.program)
    return found.score


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainset": []}, "training set is empty"),
        ({"valset": []}, "validation set is empty"),
        ({"trainset": [dspex.Example(text="a", kind="tool")]}, "which fields are inputs"),
        ({"metric": lambda example, prediction, trace=None: True}, "top level of a module"),
        ({"lm": dspex.LM("openai/practice", api_key="sk-secret")}, "api_key_env"),
        ({"id": "no spaces"}, "cannot be"),
    ],
)
async def test_bad_input_starts_nothing(
    changes: dict[str, Any], words: str, model: PracticeServer, client: Client
) -> None:
    with pytest.raises(UsageError, match=words):
        await start(client, **{"id": "refused", **changes})
    with pytest.raises(UsageError, match="no run"):
        await client.run("refused")


async def test_no_lm_starts_nothing(client: Client) -> None:
    with pytest.raises(LMNotConfiguredError, match=r"dspex\.configure"):
        await start(client)


async def test_absent_server_is_named() -> None:
    port = free_port()
    with pytest.raises(TemporalNotReachableError, match=f"127.0.0.1:{port}"):
        await Client.connect(f"127.0.0.1:{port}")
