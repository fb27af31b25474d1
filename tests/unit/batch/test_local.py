"""`batch_api` and `Evaluate(batch=True)`: calls of programs in this process, answered by batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from provider import Provider
from support.waiting import until

import dspex
from dspex.clients.batch.local import BatchWaitPolicy, batch_api
from dspex.errors import LMConfigurationError, LMInvalidRequestError
from dspex.settings import context
from dspex.store import Store

SOON = BatchWaitPolicy(quiet=0.05, first_look=0.02, longest_look=0.1)
KEY = "sk-never-to-be-seen-1234"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture
def lm(provider: Provider, store: Store) -> Iterator[dspex.LM]:
    lm = dspex.LM("openai/gpt-4o-mini", api_base=provider.url, api_key=KEY)
    with context(lm=lm, store=store.url):
        yield lm


def by_batch(**options: Any) -> Any:
    return batch_api(patience=SOON, uncertain_seconds=0.3, **options)


async def two_steps(lm: dspex.LM, number: int) -> str:
    first = (await lm.acall(f"first w{number}"))[0]
    return str((await lm.acall(f"second {first}"))[0])


async def test_calls_made_together_are_submitted_together_step_by_step(provider: Provider, lm: dspex.LM) -> None:
    with by_batch():
        answers = await asyncio.gather(*(two_steps(lm, number) for number in range(10)))
    assert answers == [f"echo w{number}" for number in range(10)]
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [10, 10]
    assert provider.calls == 0


async def test_price_is_half_and_stands_in_the_bill(provider: Provider, lm: dspex.LM, store: Store) -> None:
    with by_batch():
        await asyncio.gather(*(lm.acall(f"w{number}") for number in range(4)))
    bill = await store.ledger.bill_total()
    assert bill.calls == 4
    assert bill.cost_usd == pytest.approx(4 * (1000 * 0.15e-6 + 100 * 0.60e-6) / 2)


async def test_own_price_is_halved_too(provider: Provider, lm: dspex.LM, store: Store) -> None:
    with by_batch():
        await lm.copy(price={"input": 10.0, "output": 20.0}).acall("w")
    assert (await store.ledger.bill_total()).cost_usd == pytest.approx((1000 * 10e-6 + 100 * 20e-6) / 2)


async def test_what_was_answered_before_is_in_no_batch(provider: Provider, lm: dspex.LM) -> None:
    await lm.acall("known")
    with by_batch():
        answers = await asyncio.gather(lm.acall("known"), lm.acall("new"), lm.acall("new"))
    assert answers == [["echo known"], ["echo new"], ["echo new"]]
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [1]


async def test_half_of_a_batch_expires_and_is_submitted_again(lm: dspex.LM, provider: Provider) -> None:
    provider.expire_first = 1
    with by_batch():
        await asyncio.gather(*(lm.acall(f"w{number}") for number in range(6)))
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [6, 3]


async def test_what_expires_again_and_again_is_called(lm: dspex.LM, provider: Provider) -> None:
    provider.expire_first = 100
    with by_batch():
        answers = await asyncio.gather(*(lm.acall(f"w{number}") for number in range(16)))
    assert answers == [[f"echo w{number}"] for number in range(16)]
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [16, 8, 4]
    assert provider.calls == 2


async def test_a_batch_turned_away_for_now_is_submitted_again(lm: dspex.LM, provider: Provider) -> None:
    provider.fail_first = 2
    with by_batch():
        assert await lm.acall("w") == ["echo w"]
    assert len(provider.batches) == 3


async def test_a_refused_request_fails_alone_with_the_providers_words(lm: dspex.LM, provider: Provider) -> None:
    with by_batch():
        good, bad = await asyncio.gather(lm.acall("w"), lm.acall("poison"), return_exceptions=True)
    assert good == ["echo w"]
    assert isinstance(bad, LMInvalidRequestError)
    assert "I do not take poison" in str(bad)
    assert len(provider.batches) == 1


async def test_creation_that_is_refused_for_now_is_tried_again(lm: dspex.LM, provider: Provider) -> None:
    provider.refuse_creation = 2
    with by_batch():
        assert await lm.acall("w") == ["echo w"]
    assert len(provider.batches) == 1


async def test_creation_whose_answer_is_lost_is_not_repeated(lm: dspex.LM, provider: Provider) -> None:
    provider.lose_answer_of_creation = 1
    with by_batch():
        assert await lm.acall("w") == ["echo w"]
    assert len(provider.batches) == 1


async def test_a_process_that_dies_while_it_waits_submits_nothing_twice(
    lm: dspex.LM, provider: Provider, store: Store
) -> None:
    provider.ends = False

    with by_batch():
        waiting = asyncio.gather(*(lm.acall(f"w{number}") for number in range(5)))
        await until(lambda: provider.batches)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    provider.ends = True
    with by_batch():
        await asyncio.gather(*(lm.acall(f"w{number}") for number in range(5)))
    assert len(provider.batches) == 1


async def test_uncached_calls_are_made_each(provider: Provider, lm: dspex.LM) -> None:
    fresh = lm.copy(cache=False)
    with by_batch():
        await asyncio.gather(fresh.acall("same"), fresh.acall("same"))
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [2]


async def test_cancelling_cancels_at_the_provider(provider: Provider, lm: dspex.LM) -> None:
    provider.ends = False
    with by_batch() as batches:
        waiting = asyncio.ensure_future(lm.acall("w"))
        await until(lambda: provider.batches)
        await batches.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [batch["status"] for batch in provider.batches.values()] == ["cancelled"]


async def test_provider_without_batches_is_refused_before_anything_is_sent(provider: Provider, lm: dspex.LM) -> None:
    provider.without_batches = True
    evaluate = dspex.Evaluate(devset=_examples(3), metric=_right, batch=True)
    with pytest.raises(LMConfigurationError, match="no batch API"):
        await evaluate.acall(dspex.Predict("text -> word"))
    assert (provider.calls, len(provider.files)) == (0, 0)


async def test_engines_and_streams_are_refused(lm: dspex.LM) -> None:
    with by_batch(), pytest.raises(LMConfigurationError, match="batch API"):
        await dspex.LM("openai/gpt-4o-mini", engine="litellm", api_key=KEY).acall("w")


def test_evaluate_by_batch_from_plain_code(provider: Provider, lm: dspex.LM, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = dspex.Evaluate(devset=_examples(80), metric=_right, batch=True, num_threads=2)
    monkeypatch.setattr("dspex.clients.batch.local.batch_api", by_batch)
    result = evaluate(_Last())
    assert result.score == 100.0
    assert [len(batch["lines"]) for batch in provider.batches.values()] == [80]


async def test_key_is_in_no_table(lm: dspex.LM, provider: Provider, store: Store) -> None:
    with by_batch():
        await lm.acall("w")
    assert store.file is not None
    for file in store.file.parent.glob(f"{store.file.name}*"):
        assert KEY.encode() not in file.read_bytes()


class _Last(dspex.Module):
    """Written the plain way."""

    def forward(self, text: str) -> Any:
        return dspex.Prediction(word=dspex.settings.lm(text)[0])


def _examples(count: int) -> list[dspex.Example]:
    return [dspex.Example(text=f"say w{n}", word=f"echo w{n}").with_inputs("text") for n in range(count)]


def _right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.word == prediction.word)
