"""Durable evaluations through a provider's batch API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

import dspex
from dspex.settings import configure, reset
from dspex.temporal.client import Client
from dspex.temporal.contracts.batch import BatchOptions
from dspex.temporal.run import Run, RunCancelledError, RunFailedError
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


async def test_batch_ends_with_the_score_of_a_plain_evaluation(
    provider: Provider, client: Client, worker: Worker
) -> None:
    async with worker():
        plain = await (await client.evaluate(task.Fragile(), devset=task.examples(30), metric=right_kind)).result()
        provider.calls = 0
        other = dspex.LM("openai/gpt-4o", api_base=provider.url, api_key_env=task.KEY_VARIABLE)
        batched = await evaluated(client, task.Fragile(), 30, lm=other)
    assert (batched.score, batched.n_failed) == (plain.score, plain.n_failed)
    assert provider.calls == 0


async def test_partial_failures_are_submitted_again_and_refusals_are_failures_of_their_rows(
    provider: Provider, client: Client, worker: Worker
) -> None:
    provider.expire_first, provider.fail_first = 1, 1
    provider.bad = "Order 3:"
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(8), metric=right_kind, batch=SOON)
        result = await run.result()
        failures = await run.failures()
    assert (result.score, result.n_failed) == (87.5, 1)
    assert "I do not take poison" in failures[0].error
    assert result.lm_calls == 7
    assert provider.calls == 0


async def test_what_no_batch_answers_is_called(provider: Provider, client: Client, worker: Worker) -> None:
    provider.expire_first = 1000
    async with worker():
        result = await evaluated(client, task.program, 16)
    assert result.score == 100.0
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [16, 8, 4]
    assert provider.calls == 2
    assert result.lm_calls == 16


async def test_cancelled_run_cancels_its_batch_and_keeps_what_was_done(
    provider: Provider, client: Client, worker: Worker
) -> None:
    provider.ends = False
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(10), metric=right_kind, batch=SOON)
        await until(lambda: _is(provider.batches), "a batch is submitted")
        await run.cancel()
        with pytest.raises(RunCancelledError):
            await run.result()
        assert [batch["status"] for batch in provider.batches.values()] == ["cancelled"]
        assert (await client.store.ledger.bill(run.id)).calls == 5
        provider.ends = True
        await evaluated(client, task.program, 10)
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [10, 5]


async def test_two_runs_that_ask_the_same_share_a_batch(provider: Provider, client: Client, worker: Worker) -> None:
    provider.ends = False
    async with worker():
        first = await client.evaluate(task.program, devset=task.examples(10), metric=right_kind, batch=SOON)
        await until(lambda: _is(provider.batches), "a batch is submitted")
        second = await client.evaluate(task.program, devset=task.examples(10), metric=right_kind, batch=SOON)
        await until(lambda: _waits(second), "the second waits too")
        provider.ends = True
        results = [await first.result(), await second.result()]
    assert [result.score for result in results] == [100.0, 100.0]
    assert max(provider.requests.values()) == 1
    assert [(result.lm_calls, result.lm_calls_from_ledger) for result in results] == [(10, 0), (0, 10)]


async def test_uncached_calls_find_their_answers_wave_after_wave(
    provider: Provider, client: Client, worker: Worker
) -> None:
    lm = dspex.LM("openai/gpt-4o-mini", api_base=provider.url, api_key_env=task.KEY_VARIABLE, cache=False)
    async with worker():
        result = await evaluated(client, task.TwoSteps(), 6, lm=lm)
    assert result.score == 100.0
    assert result.lm_calls == 12


async def test_program_that_never_asks_the_same_is_refused(provider: Provider, client: Client, worker: Worker) -> None:
    async with worker():
        run = await client.evaluate(task.Restless(), devset=task.examples(4), metric=right_kind, batch=SOON)
        with pytest.raises(RunFailedError, match="something else each time"):
            await run.result()
    assert len(provider.batches) == 1


async def test_after_the_most_waves_calls_are_made_as_usual(provider: Provider, client: Client, worker: Worker) -> None:
    options = SOON.model_copy(update={"most_waves": 1})
    async with worker():
        run = await client.evaluate(task.TwoSteps(), devset=task.examples(6), metric=right_kind, batch=options)
        result = await run.result()
    assert result.score == 100.0
    assert (len(provider.batches), provider.calls) == (1, 6)


async def test_provider_without_batches_is_refused_before_anything_is_sent(
    provider: Provider, client: Client, worker: Worker
) -> None:
    provider.without_batches = True
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(4), metric=right_kind, batch=True)
        with pytest.raises(RunFailedError, match="no batch API"):
            await run.result()
    assert (provider.calls, len(provider.files)) == (0, 0)


async def test_progress_tells_of_the_wave(provider: Provider, client: Client, worker: Worker) -> None:
    provider.ends = False
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(4), metric=right_kind, batch=SOON)
        progress = await until(lambda: _waits(run), "it waits for the provider")
        await run.cancel()
    assert progress.message == "wave 1: the provider has answered 0 of 4 calls in 1 batch"
    assert progress.total == 4


async def test_key_and_examples_are_in_no_history(provider: Provider, client: Client, worker: Worker) -> None:
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(4), metric=right_kind, batch=SOON)
        await run.result()
    history = await client.temporal.get_workflow_handle(run.id).fetch_history()
    text = history.to_json()
    assert task.SECRET not in text
    assert task.MARK not in text


async def test_every_task_replays(provider: Provider, client: Client, worker: Worker) -> None:
    async with worker(max_cached_workflows=0):
        result = await evaluated(client, task.TwoSteps(), 10)
    assert result.score == 100.0


async def _is(thing: Any) -> bool:
    return bool(thing)


async def _waits(run: Run) -> Any:
    progress = await run.progress()
    return progress if "the provider has answered" in progress.message else None


async def test_budget_cuts_the_batch_and_a_bigger_one_lets_the_run_go_on(
    provider: Provider, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await client.evaluate(
            task.program, devset=task.examples(10), metric=right_kind, batch=SOON, budget=dspex.Budget(calls=4)
        )
        await until(lambda: _spent(run), "the budget is spent")
        assert sum(provider.requests.values()) == 4
        await run.set_budget(calls=10)
        result = await run.result()
    assert (result.score, result.lm_calls) == (100.0, 10)
    assert max(provider.requests.values()) == 1


async def test_budget_in_dollars_is_for_the_price_of_batches(
    provider: Provider, client: Client, worker: Worker
) -> None:
    lm = dspex.LM("openai/gpt-4o-mini", api_base=provider.url, api_key_env=task.KEY_VARIABLE, max_tokens=1000)
    batch_price = 4 * (1000 * 0.15e-6 + 100 * 0.60e-6) / 2
    async with worker():
        run = await client.evaluate(
            task.program, devset=task.examples(4), metric=right_kind, lm=lm, batch=SOON, budget=dspex.Budget(usd=0.0025)
        )
        result = await run.result()
    spending = await client.store.budgets.get(run.id)
    assert spending is not None
    assert spending.used_usd == pytest.approx(batch_price)
    assert result.cost_usd == pytest.approx(batch_price)


async def _spent(run: Run) -> bool:
    return (await run.progress()).phase == "out of budget"
