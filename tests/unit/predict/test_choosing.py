"""MultiChainComparison, KNN and majority: what they refuse, and their asynchronous forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.answering import AnsweringLM

import dspex
from dspex.errors import UsageError
from dspex.predict import KNN, MultiChainComparison, majority

ATTEMPTS = [{"reasoning": "r", "answer": str(n)} for n in range(3)]


async def test_comparison_works_both_ways() -> None:
    compare = MultiChainComparison("question -> answer")
    with dspex.context(lm=AnsweringLM({"rationale": "so", "answer": "1"})):
        assert (await compare.acall(ATTEMPTS, question="q")).answer == "1"
        assert compare(completions=ATTEMPTS, question="q").rationale == "so"


@pytest.mark.parametrize(
    ("completions", "kind", "told"),
    [
        (ATTEMPTS[:2], AssertionError, r"attempts \(2\) doesn't match the expected number M \(3\)"),
        ([{"answer": "a"}] * 3, UsageError, "completion 1 has no `rationale`"),
        ([{"reasoning": "a"}] * 3, UsageError, "completion 1 has no `answer`"),
        (["a", "b", "c"], UsageError, "completion 1 is a str"),
    ],
)
def test_comparison_refuses_bad_attempts_before_any_call(completions: Any, kind: Any, told: str) -> None:
    lm = AnsweringLM({})
    with dspex.context(lm=lm), pytest.raises(kind, match=told):
        MultiChainComparison("question -> answer")(completions, question="q")
    assert lm.requests == []


@pytest.mark.parametrize("given", [None, "text", [], dspex.Prediction(answer="a")])
def test_majority_refuses_what_holds_no_completions(given: Any) -> None:
    with pytest.raises(AssertionError):
        majority(given)


def test_majority_names_the_field_that_is_missing() -> None:
    with pytest.raises(UsageError, match="no field 'b'; they have: a"):
        majority([{"a": "1"}], field="b")


def one_hot(texts: list[str]) -> Any:
    return np.array([[float("cat" in text), float("dog" in text)] for text in texts])


def rows(*texts: str) -> list[Any]:
    return [dspex.Example(text=text).with_inputs("text") for text in texts]


async def test_neighbours_are_found_both_ways() -> None:
    knn = KNN(1, rows("a dog", "a cat"), dspex.Embedder(one_hot))
    assert knn(text="cats")[0].text == "a cat"
    assert (await knn.acall(text="dogs"))[0].text == "a dog"


async def test_neighbours_need_no_more_than_a_function() -> None:
    knn = KNN(5, rows("one cat"), one_hot)
    assert [example.text for example in knn(text="x")] == ["one cat"]
    assert len(await knn.acall(text="x")) == 1


@pytest.mark.parametrize(
    ("k", "trainset", "told"),
    [(0, rows("a"), "k=0"), (1, [], "empty"), (1, [dspex.Example(text="a")], r"trainset\[0\] has no input keys")],
)
def test_neighbours_of_nothing_are_refused(k: int, trainset: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        KNN(k, trainset, one_hot)
