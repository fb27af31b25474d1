"""DSPy's metrics and `Evaluate`, beside DSPy's own."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

import dspex.evaluate as ours
import dspex.primitives
import dspex.text.normalize as our_text

dspy = pytest.importorskip("dspy")
theirs = pytest.importorskip("dspy.evaluate.metrics")

pytestmark = pytest.mark.parity

TEXTS = [
    "The Eiffel Tower, in  Paris!",
    "eiffel tower",
    "Paris",
    "a an the",
    "",
    "yes",
    "No.",
    "noanswer",
    "Café de l'Étoile",
    "cafe de letoile",
    "U.S.A. — 1,000 km²",
    "usa 1000 km",
    "北京 大学",
    "It's theatre; another-one_two",
]


@pytest.mark.parametrize("text", TEXTS)
def test_normalized_text_is_the_same(text: str) -> None:
    assert ours.normalize_text(text) == theirs.normalize_text(text)


@pytest.mark.parametrize("name", ["em_score", "f1_score", "hotpot_f1_score", "precision_score"])
def test_scores_of_two_texts_are_the_same(name: str) -> None:
    for said, true in product(TEXTS, TEXTS):
        assert getattr(our_text, name)(said, true) == getattr(theirs, name)(said, true), (said, true)


@pytest.mark.parametrize("name", ["EM", "F1", "HotPotF1"])
def test_scores_against_several_answers_are_the_same(name: str) -> None:
    for said in TEXTS:
        assert getattr(ours, name)(said, TEXTS[:3]) == getattr(theirs, name)(said, TEXTS[:3])
    for metric in (getattr(ours, name), getattr(theirs, name)):
        with pytest.raises(ValueError):
            metric("a", "not a list")


@pytest.mark.parametrize("frac", [1.0, 0.5])
def test_answer_matches_are_the_same(frac: float) -> None:
    for said, true in product(TEXTS, [*TEXTS, TEXTS[:3]]):
        results = [
            metrics.answer_exact_match(lib.Example(answer=true), lib.Prediction(answer=said), frac=frac)
            for lib, metrics in ((dspex.primitives, ours), (dspy, theirs))
        ]
        assert results[0] == results[1], (said, true)


def test_passage_matches_are_the_same() -> None:
    cafe = "Le Café de l\u2019Étoile"
    passages = [["It stands in Paris, near the Eiffel Tower."], [cafe], ["no", "yes 1000 km²"], []]
    for context, true in product(passages, [*TEXTS, TEXTS[:3]]):
        results = [
            metrics.answer_passage_match(lib.Example(answer=true), lib.Prediction(context=context))
            for lib, metrics in ((dspex.primitives, ours), (dspy, theirs))
        ]
        assert results[0] == results[1], (context, true)


def test_an_evaluation_comes_to_the_same() -> None:
    def program(lib: Any) -> Any:
        def answer(question: int) -> Any:
            if question == 4:
                raise ValueError("four")
            return lib.Prediction(answer=question * 2)

        return answer

    def metric(example: Any, prediction: Any) -> Any:
        return prediction.answer == example.answer if example.question % 2 else prediction.answer / 7

    results = []
    for lib, evaluate in ((dspex.primitives, ours.Evaluate), (dspy, dspy.Evaluate)):
        devset = [lib.Example(question=n, answer=n + n % 3).with_inputs("question") for n in range(11)]
        results.append(evaluate(devset=devset, metric=metric, num_threads=1, failure_score=0.25)(program(lib)))
    here, there = results
    assert here.score == there.score
    assert [score for _, _, score in here.results] == [score for _, _, score in there.results]
    assert [repr(prediction) for _, prediction, _ in here.results] == [repr(p) for _, p, _ in there.results]
