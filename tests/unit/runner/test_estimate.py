"""What a run would cost at most: more than it does, and found out without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from dspex.errors import LMNotConfiguredError, UsageError
from dspex.runner.estimate import estimate
from dspex.runner.optimize import optimize_locally
from dspex.settings import configure, context, reset
from dspex.store import Store
from dspex_practice import PracticeServer

PRICE = {"input": 1.0, "output": 3.0}


@pytest.fixture(autouse=True)
def model(practice: PracticeServer) -> Iterator[PracticeServer]:
    configure(lm=dspex.LM("openai/practice", api_base=practice.url, price=PRICE, max_tokens=60))
    yield practice
    reset()


def examples(count: int, start: int = 0) -> list[dspex.Example]:
    kinds = ("fruit", "tool")
    rows = [(f"order {n}: a {kinds[n % 2]} \u00e9\u4f60", kinds[n % 2]) for n in range(start, start + count)]
    return [dspex.Example(text=text, kind=kind).with_inputs("text") for text, kind in rows]


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.kind == prediction.kind)


class TwoSteps(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shorten = dspex.Predict("text -> gist")
        self.sort = dspex.ChainOfThought("gist, text -> kind")

    def forward(self, text: str) -> Any:
        return self.sort(gist=self.shorten(text=text).gist, text=text)


PROGRAMS = {"one": lambda: dspex.Predict("text -> kind"), "two steps": TwoSteps}
OPTIMIZERS = {
    "labeled": lambda: dspex.LabeledFewShot(k=5),
    "bootstrap": lambda: dspex.BootstrapFewShot(
        metric=right, max_bootstrapped_demos=3, max_labeled_demos=6, max_rounds=2
    ),
}
ADAPTERS = {"chat": dspex.ChatAdapter, "json": dspex.JSONAdapter}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_run_never_costs_more_than_was_estimated(
    program: str, optimizer: str, adapter: str, model: PracticeServer, store: Store
) -> None:
    made, optimizes = PROGRAMS[program](), OPTIMIZERS[optimizer]()
    data: dict[str, Any] = {"trainset": examples(12), "valset": examples(15, 100)}
    with context(adapter=ADAPTERS[adapter]()):
        found = await estimate(optimizes, made, **data)
        assert model.stats()["calls"] == 0
        await optimize_locally(optimizes, made, **data, metric=right, run_id="run")
    bill = await store.ledger.bill("run")
    assert bill.calls <= found.calls <= found.most_calls
    assert bill.prompt_tokens <= found.most_prompt_tokens
    assert bill.completion_tokens <= found.most_completion_tokens
    assert found.most_usd is not None
    assert bill.cost_usd <= found.most_usd
    assert found.most_usd < 100 * bill.cost_usd, "an upper bound, but one that says something"


async def test_figures_by_hand(model: PracticeServer) -> None:
    bootstrap = dspex.BootstrapFewShot(metric=right, max_bootstrapped_demos=1, max_labeled_demos=0, max_rounds=3)
    found = await estimate(bootstrap, dspex.Predict("text -> kind"), trainset=examples(4), valset=examples(10))
    assert [(step.step, step.runs, step.calls, step.most_calls) for step in found.steps] == [
        ("baseline", 10, 10, 20),  # as JSON once more, if an answer cannot be read
        ("bootstrap", 12, 12, 24),
        ("final", 10, 10, 20),
    ]
    assert found.most_completion_tokens == 64 * 60
    usd = (found.most_prompt_tokens * 1.0 + found.most_completion_tokens * 3.0) / 1e6
    assert found.most_usd == pytest.approx(usd)


def test_optimizer_says_it_too_and_scores_only_when_asked(model: PracticeServer) -> None:
    labeled = dspex.LabeledFewShot(k=2)
    program = dspex.Predict("text -> kind")
    assert labeled.estimate(program, trainset=examples(4), valset=examples(5)).calls == 0
    assert labeled.estimate(program, trainset=examples(4), valset=examples(5), score=True).calls == 10


async def test_agent_takes_its_turns(model: PracticeServer) -> None:
    def look_up(text: str) -> str:
        """Look something up."""
        raise AssertionError

    agent = dspex.ReAct("text -> kind", tools=[look_up], max_iters=4)
    found = await estimate(dspex.LabeledFewShot(k=1), agent, trainset=examples(2), valset=examples(3))
    assert found.calls == 2 * 3 * (5 + 5)
    assert any("what its tools return" in note for note in found.notes)


async def test_teachers_own_lm_is_reckoned_with(model: PracticeServer) -> None:
    dear = dspex.LM("openai/practice", api_base=model.url, price={"input": 1000.0, "output": 0.0}, max_tokens=60)
    cheap = dspex.BootstrapFewShot(metric=right)
    taught = dspex.BootstrapFewShot(metric=right, teacher_settings={"lm": dear})
    costs = [
        (await estimate(each, dspex.Predict("text -> kind"), trainset=examples(3))).most_usd for each in (cheap, taught)
    ]
    assert costs[1] is not None
    assert costs[0] is not None
    assert costs[1] > 100 * costs[0]


async def test_unknown_price_is_said_to_be_unknown(model: PracticeServer) -> None:
    with context(lm=dspex.LM("openai/practice", api_base=model.url)):
        found = await estimate(
            dspex.LabeledFewShot(), dspex.Predict("text -> kind"), trainset=examples(3), valset=examples(3)
        )
    assert found.most_usd is None
    assert found.most_calls > 0


async def test_no_lm_no_estimate() -> None:
    with context(lm=None), pytest.raises(LMNotConfiguredError):
        await estimate(dspex.LabeledFewShot(), dspex.Predict("text -> kind"), trainset=examples(3), valset=examples(3))


async def test_optimizer_that_cannot_say_says_so(model: PracticeServer) -> None:
    class Restless(dspex.LabeledFewShot):
        cost_plan = dspex.Optimizer.cost_plan

    with pytest.raises(UsageError, match="Give it a budget"):
        await estimate(Restless(), dspex.Predict("text -> kind"), trainset=examples(3))


async def test_second_model_of_a_two_step_adapter_is_not_called_either(model: PracticeServer) -> None:
    with context(adapter=dspex.TwoStepAdapter(dspex.LM("openai/practice", api_base=model.url, price=PRICE))):
        found = await asyncio.wait_for(
            estimate(
                dspex.LabeledFewShot(k=1), dspex.Predict("text -> kind"), trainset=examples(2), valset=examples(2)
            ),
            60,
        )
    assert model.stats()["calls"] == 0
    assert (found.calls, found.most_calls) == (2 * 2 * 2, 2 * 2 * 3), "one that answers, one that reads, maybe as JSON"
