import copy

import pytest

from dspex.errors import UsageError
from dspex.primitives import Completions, Prediction


def test_fields_are_those_of_the_first_completion() -> None:
    prediction = Prediction.from_completions([{"answer": "a"}, {"answer": "b"}])
    assert prediction.answer == "a"
    assert prediction.completions is not None
    assert prediction.completions.answer == ["a", "b"]
    assert prediction.completions["answer"] == ["a", "b"]
    assert prediction.completions[1].answer == "b"
    assert len(prediction.completions) == 2
    assert "1 completions omitted" in repr(prediction)


def test_completions_may_come_as_columns() -> None:
    assert Prediction.from_completions({"answer": ["a", "b"]}).answer == "a"


def test_a_prediction_of_fields_has_no_completions() -> None:
    assert Prediction(answer="a").completions is None


def test_a_completion_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        _ = Completions([{"a": 1}])[1]


def test_completions_with_different_fields_are_refused() -> None:
    with pytest.raises(UsageError, match="same fields"):
        Completions([{"a": 1}, {"a": 2, "b": 3}])


def test_a_score_counts_as_a_number() -> None:
    good, bad = Prediction(score=3.0, feedback="fine"), Prediction(score=1.0)
    assert sum([good, bad]) == 4.0
    assert good + 1 == 4.0
    assert 1 + good == 4.0
    assert good / 2 == 1.5
    assert 6 / good == 2.0
    assert good / bad == 3.0
    assert bad < good
    assert good >= 3
    assert bad <= 1
    assert good > bad
    assert float(good) == 3.0


def test_without_a_score_it_is_no_number() -> None:
    with pytest.raises(UsageError, match="score"):
        float(Prediction(answer="a"))


def test_equality_is_that_of_the_fields() -> None:
    assert Prediction(a=1) == Prediction.from_completions([{"a": 1}])
    assert copy.deepcopy(Prediction(a=[1])) == Prediction(a=[1])
