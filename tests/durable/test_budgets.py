"""Budgets: no run passes its own; a local one ends with the best so far, a durable one waits for a bigger budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.waiting import until

import dspex
from dspex.errors import BudgetExceededError, LMConfigurationError
from dspex.runner.optimize import LocalResult, optimize_locally
from dspex.runner.references import reference
from dspex.runner.saved import document_bytes, program_bytes
from dspex.settings import context, settings
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.run import Run
from dspex_practice import PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

pytestmark = pytest.mark.integration

PRICE = {"input": 2.0, "output": 5.0}
TRAIN, VAL = task.examples(20), task.examples(30, 1000)


def bootstrap() -> dspex.BootstrapFewShot:
    return dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=2, max_labeled_demos=4)


def priced(**changes: Any) -> Any:
    """The model, at a price of its own, and with short answers, so that one call is not worth many."""
    return settings.lm.copy(price=PRICE, max_tokens=100, **changes)


def dollars(stats: dict[str, Any]) -> float:
    """By hand: what the provider itself has counted, at `PRICE`."""
    return float((stats["prompt_tokens"] * 2.0 + stats["completion_tokens"] * 5.0) / 1e6)


async def locally(
    program: dspex.Module | None = None, budget: dspex.Budget | None = None, run_id: str = "here"
) -> LocalResult:
    given: dict[str, Any] = {"trainset": TRAIN, "valset": VAL, "run_id": run_id, "budget": budget}
    return await optimize_locally(bootstrap(), program or task.program, **given)


async def start(client: Client, budget: dspex.Budget | None) -> Run:
    return await client.optimize(
        task.program,
        optimizer=bootstrap(),
        trainset=TRAIN,
        valset=VAL,
        id=f"limited-{client.task_queue}",
        budget=budget,
    )


async def is_out_of_budget(run: Run) -> bool:
    return (await run.progress()).phase == "out of budget"


async def test_bill_by_model_and_predictor_is_what_the_provider_has_counted(
    model: PracticeServer, store: Store
) -> None:
    with context(lm=priced()):
        await locally(task.TwoSteps(), run_id="billed")
    bill, stats = await store.ledger.bill("billed"), model.stats()
    assert (bill.calls, bill.prompt_tokens, bill.completion_tokens) == (
        stats["answered"],
        stats["prompt_tokens"],
        stats["completion_tokens"],
    )
    assert bill.cost_usd == pytest.approx(dollars(stats), abs=1e-12)
    assert bill.unpriced == 0
    assert set(bill.by_predictor) == {"shorten", "sort.predict"}
    assert list(bill.by_model) == ["openai/practice"]
    assert sum(line.cost_usd for line in bill.lines) == pytest.approx(bill.cost_usd, abs=1e-12)
    assert sum(line.calls for line in bill.lines) == bill.calls


async def test_local_run_ends_with_the_best_so_far_and_goes_on_under_the_same_id(
    model: PracticeServer, store: Store, tmp_path: Any
) -> None:
    limited = await locally(budget=dspex.Budget(calls=35))
    assert limited.stopped == "budget"
    assert (limited.baseline_score is not None, limited.score) == (True, None)
    assert model.stats()["answered"] == 35, "every call that there was room for, and no more"
    full = await locally(budget=dspex.Budget(calls=500))
    assert not full.stopped
    spent, stats = await store.ledger.bill("here"), model.stats()
    assert (spent.calls, stats["duplicates"]) == (stats["answered"], 0)
    with context(store=str(tmp_path / "free.db")):
        free = await locally()
    assert program_bytes(full.program, reference(task.program)) == program_bytes(free.program, reference(task.program))
    assert full.score == free.score


@pytest.mark.parametrize("usd", [0.0, 0.004, 0.02])
async def test_local_run_never_spends_more_dollars_than_it_may(usd: float, model: PracticeServer, store: Store) -> None:
    with context(lm=priced(max_concurrency=64), num_threads=64):
        found = await locally(budget=dspex.Budget(usd=usd))
    assert found.stopped == "budget"
    spent = (await store.ledger.bill("here")).cost_usd
    assert spent == pytest.approx(dollars(model.stats()), abs=1e-12)
    assert spent <= usd
    assert usd - spent < 0.006, "what is left is less than a call may cost, and all that could be spent was"


async def test_budget_in_tokens(model: PracticeServer, store: Store) -> None:
    with context(lm=priced()):
        found = await locally(budget=dspex.Budget(tokens=6_000))
    stats = model.stats()
    assert found.stopped == "budget"
    assert 3_000 < stats["prompt_tokens"] + stats["completion_tokens"] <= 6_000


async def test_budget_in_dollars_wants_a_price_before_the_first_call(model: PracticeServer, store: Store) -> None:
    with pytest.raises(LMConfigurationError, match="no price of this model"):
        await locally(budget=dspex.Budget(usd=1))
    assert model.stats()["calls"] == 0
    with context(prices={"openai/practice": PRICE}):
        await locally(budget=dspex.Budget(usd=100))
    assert (await store.ledger.bill("here")).cost_usd == pytest.approx(dollars(model.stats()), abs=1e-12)


async def test_program_that_swallows_the_refusal_is_not_scored(model: PracticeServer, store: Store) -> None:
    class Swallows(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sort = dspex.Predict(task.Sort)

        def forward(self, text: str) -> Any:
            try:
                return self.sort(text=text)
            except BudgetExceededError:
                return dspex.Prediction(kind="fruit")

    found = await locally(Swallows(), budget=dspex.Budget(calls=5))
    assert (found.stopped, found.baseline_score) == ("budget", None)


def test_compile_returns_the_best_so_far(model: PracticeServer, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    found = bootstrap().compile(task.program, trainset=TRAIN, budget=dspex.Budget(calls=1))
    assert model.stats()["answered"] == 1
    assert len(found.predictors()[0].demos) == 4
    assert "best program so far" in caplog.text


async def test_durable_run_out_of_budget_waits_and_goes_on_when_it_is_raised(
    model: PracticeServer, client: Client, worker: Worker, tmp_path: Any
) -> None:
    with context(store=str(tmp_path / "free.db")):
        free = await locally()
    before = model.stats()["answered"]
    async with worker():
        run = await start(client, dspex.Budget(calls=12))
        await until(lambda: is_out_of_budget(run), "it says that it is out of budget")
        assert model.stats()["answered"] - before == 12
        assert "12 of 12 calls" in (await run.progress()).message
        description = await client.temporal.get_workflow_handle(run.id).query("__temporal_workflow_metadata")
        assert "out of budget" in str(description)
        raised = await run.set_budget(calls=32)
        assert (raised.calls, raised.used_calls) == (32, 12)
        await until(lambda: is_out_of_budget(run), "out of budget again, now while it traces")
        assert model.stats()["answered"] - before == 32
        attached = await start(client, dspex.Budget(calls=1000))
        result = await attached.result()
    assert not result.stopped
    assert result.document is not None
    assert document_bytes(result.document) == program_bytes(free.program, reference(task.program))
    assert (result.score, result.baseline_score) == (free.score, free.baseline_score)
    assert result.lm_calls == result.bill.calls == model.stats()["answered"] - before
    assert list(result.bill.by_predictor) == ["self"]
    assert await run.bill() == result.bill


async def test_durable_run_goes_on_with_a_worker_that_remembers_nothing(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker(max_cached_workflows=0):
        run = await start(client, dspex.Budget(calls=12))
        await until(lambda: is_out_of_budget(run), "it says that it is out of budget")
    async with worker(max_cached_workflows=0):
        await run.set_budget(calls=1000)
        assert (await run.result()).score is not None


async def test_durable_run_out_of_budget_is_stopped_with_the_best_so_far(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, dspex.Budget(calls=33))
        await until(lambda: is_out_of_budget(run), "it says that it is out of budget")
        await run.stop()
        result = await run.result()
    assert (result.stopped, result.score) == ("budget", None)
    assert result.baseline_score is not None
    assert result.lm_calls == 33
    assert len(result.program.predictors()[0].demos) == 4


async def test_several_workers_share_one_budget_in_dollars(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    with context(lm=priced()):
        async with worker(), worker(), worker():
            run = await start(client, dspex.Budget(usd=0.02))
            await until(lambda: is_out_of_budget(run), "it says that it is out of budget")
            spending = await run.budget()
            await run.cancel()
    assert spending is not None
    assert 0.01 < dollars(model.stats()) <= 0.02
    assert spending.used_usd == pytest.approx(dollars(model.stats()), abs=1e-9)


async def test_durable_evaluation_out_of_budget_waits_too(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await client.evaluate(
            task.program, devset=task.examples(120), metric=right_kind, budget=dspex.Budget(calls=50)
        )
        await until(lambda: is_out_of_budget(run), "it says that it is out of budget")
        assert model.stats()["answered"] == 50
        await run.set_budget(calls=120)
        result = await run.result()
    stats = model.stats()
    assert (stats["answered"], stats["duplicates"]) == (120, 0)
    assert (
        result.score == (await dspex.Evaluate(devset=task.examples(120), metric=right_kind).acall(task.program)).score
    )


async def test_compile_that_is_durable_ends_with_the_best_so_far(
    model: PracticeServer, client: Client, store: Store
) -> None:
    address = client.temporal.service_client.config.target_host
    with context(temporal=address, task_queue=client.task_queue):
        found = await asyncio.to_thread(bootstrap().compile, task.program, trainset=TRAIN, budget=dspex.Budget(calls=1))
    assert model.stats()["answered"] == 1
    assert len(found.predictors()[0].demos) == 4


async def test_unpriced_model_fails_a_durable_run_before_the_first_call(
    model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await start(client, dspex.Budget(usd=1.0))
        with pytest.raises(dspex.DSPyError, match="no price of this model"):
            await run.result()
    assert model.stats()["calls"] == 0


async def test_prices_of_the_user_travel_to_the_workers(model: PracticeServer, client: Client, worker: Worker) -> None:
    with context(prices={"openai/practice": PRICE}):
        run = await start(client, dspex.Budget(usd=100.0))
    async with worker():
        result = await run.result()
    assert result.cost_usd == pytest.approx(dollars(model.stats()), abs=1e-12)
