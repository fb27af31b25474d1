"""BestOfN and Refine: the best of several tries, failures among them, and traces that optimizers can use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM

import dspex
from dspex.errors import LMAuthError, LMNotConfiguredError, UsageError
from dspex.predict import BestOfN, Refine

BOTH = pytest.mark.parametrize("kind", [BestOfN, Refine])


class Counting(AnsweringLM):
    """Answers 0, 1, 2, ... (and is asked for advice in between)."""

    def __init__(self) -> None:
        self.count = -1
        super().__init__(self._next)

    def _next(self, prompt: str) -> dict[str, Any]:
        if "advice" in prompt:
            return {"discussion": "d", "advice": '{"self": "aim higher"}'}
        self.count += 1
        return {"answer": self.count}


def value(inputs: Any, prediction: Any) -> float:
    return float(prediction.answer)


@BOTH
def test_the_best_is_returned_when_none_is_good_enough(kind: Any) -> None:
    rewards = iter([0.2, 0.9, 0.5])
    module = kind(dspex.Predict("question -> answer"), N=3, reward_fn=lambda i, p: next(rewards), threshold=1.0)
    with dspex.context(lm=Counting()):
        assert module(question="q").answer == "1"


@BOTH
def test_good_enough_is_returned_at_once(kind: Any) -> None:
    lm = Counting()
    module = kind(dspex.Predict("question -> answer"), N=5, reward_fn=lambda i, p: 1.0, threshold=0.5)
    with dspex.context(lm=lm):
        assert module(question="q").answer == "0"
    assert lm.count == 0


@BOTH
@pytest.mark.parametrize("use_async", [False, True])
def test_the_reward_function_may_be_async(kind: Any, use_async: bool) -> None:
    async def reward(inputs: Any, prediction: Any) -> float:
        await asyncio.sleep(0)
        return value(inputs, prediction)

    module = kind(dspex.Predict("question -> answer"), N=3, reward_fn=reward, threshold=1.0)
    with dspex.context(lm=Counting()):
        found = asyncio.run(module.acall(question="q")) if use_async else module(question="q")
    assert found.answer == "1"


@BOTH
def test_the_trace_is_of_the_modules_own_predictors(kind: Any) -> None:
    """An optimizer makes demos of it, which it could not of a copy's."""
    inner = dspex.Predict("question -> answer")
    module = kind(inner, N=2, reward_fn=value, threshold=9)
    with dspex.context(lm=Counting(), trace=[]):
        module(question="q")
        trace = list(dspex.settings.trace)
    assert trace[-1][0] is inner
    assert trace[-1][2].answer == "1"


def test_bootstrapping_through_repeated_tries_gives_demos() -> None:
    class Program(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.best = BestOfN(dspex.Predict("question -> answer"), N=2, reward_fn=value, threshold=9)

        def forward(self, question: str) -> Any:
            return self.best(question=question)

    trainset = [dspex.Example(question=f"q{n}", answer="1").with_inputs("question") for n in range(2)]
    optimizer = dspex.BootstrapFewShot(metric=lambda e, p, trace=None: True, max_labeled_demos=0)
    with dspex.context(lm=AnsweringLM({"answer": 1})):
        compiled = optimizer.compile(Program(), trainset=trainset)
    assert len(compiled.best.module.demos) == 2


@BOTH
def test_a_failed_try_is_told_and_the_next_one_counts(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    module = kind(dspex.Predict("question -> answer"), N=3, reward_fn=lambda i, p: 1.0, threshold=1.0)
    with caplog.at_level(logging.WARNING), dspex.context(lm=FailingLM({"answer": 1}, RuntimeError("hiccup"))):
        assert module(question="q").answer == "1"
    assert f"{kind.__name__}: Attempt 1 failed with rollout id 0: hiccup" in caplog.text


class Broken(dspex.Module):
    runs = 0

    def forward(self, question: str) -> Any:
        Broken.runs += 1
        raise ValueError("always")


@BOTH
@pytest.mark.parametrize(("fail_count", "runs"), [(None, 3), (1, 2), (0, 1), (7, 3)])
def test_too_many_failures_or_none_that_succeeds_raise(kind: Any, fail_count: int | None, runs: int) -> None:
    Broken.runs = 0
    module = kind(Broken(), N=3, reward_fn=value, threshold=1.0, fail_count=fail_count)
    for _ in range(2):  # the second call has the same patience as the first
        with dspex.context(lm=Counting()), pytest.raises(ValueError, match="always"):
            module(question="q")
    assert Broken.runs == 2 * runs
    assert module.fail_count == (3 if fail_count is None else fail_count)


@BOTH
def test_what_no_try_can_mend_is_raised_at_once(kind: Any) -> None:
    lm = FailingLM({"answer": 1}, *[LMAuthError("no")] * 3)
    module = kind(dspex.Predict("question -> answer"), N=3, reward_fn=value, threshold=1.0)
    with dspex.context(lm=lm), pytest.raises(LMAuthError):
        module(question="q")
    assert len(lm.errors) == 2
    with dspex.context(lm=None), pytest.raises(LMNotConfiguredError, match=kind.__name__):
        module(question="q")


def test_predictors_with_lms_of_their_own_keep_them() -> None:
    class Two(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = dspex.Predict("question -> answer"), dspex.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return dspex.Prediction(a=self.first(question=question).answer, b=self.second(question=question).answer)

    program = Two()
    program.first.lm, program.second.lm = AnsweringLM({"answer": "x"}), AnsweringLM({"answer": "y"}, rollout_id=5)
    best = BestOfN(program, N=2, reward_fn=lambda i, p: 0.0, threshold=1.0)
    found = best(question="q")
    assert (found.a, found.b) == ("x", "y")
    assert [request["rollout_id"] for request in program.second.lm.requests] == [5, 6]


@pytest.mark.parametrize(
    "signature", [dspex.Signature("question -> answer"), dspex.Signature("question -> answer", "Be brief.")]
)
def test_advice_reaches_each_predictor_as_its_hint(signature: Any) -> None:
    lm = Counting()
    module = Refine(dspex.Predict(signature), N=2, reward_fn=value, threshold=9)
    with dspex.context(lm=lm):
        module(question="q")
    prompts = [request["messages"][-1]["content"] for request in lm.requests]
    assert "[[ ## hint_ ## ]]\naim higher" in prompts[2]
    assert "hint_" not in prompts[0]
    assert "hint_" not in module.module.signature.fields


def test_code_without_a_source_is_told_as_such() -> None:
    space: dict[str, Any] = {}
    exec("def reward(inputs, prediction): return 0.0", space)
    assert "is not available" in Refine(dspex.Predict("a -> b"), 2, space["reward"], 1.0).reward_fn_code


Wrong = tuple[dict[str, Any], str]


@BOTH
@pytest.mark.parametrize(
    "wrong",
    [
        ({"module": len}, "module="),
        ({"N": 0}, "N=0"),
        ({"N": "3"}, "N='3'"),
        ({"reward_fn": 1}, "reward_fn=1"),
        ({"threshold": "high"}, "threshold='high'"),
        ({"fail_count": -1}, "fail_count=-1"),
    ],
)
def test_bad_arguments_are_refused(kind: Callable[..., Any], wrong: Wrong) -> None:
    given = {"module": dspex.Predict("a -> b"), "N": 2, "reward_fn": value, "threshold": 1.0, **wrong[0]}
    with pytest.raises(UsageError, match=wrong[1]):
        kind(**given)


def test_a_reward_function_is_no_part_of_the_program() -> None:
    judge = dspex.Predict("answer -> score")
    module = BestOfN(dspex.Predict("a -> b"), N=2, reward_fn=judge, threshold=1.0)
    assert [name for name, _ in module.named_predictors()] == ["module"]
