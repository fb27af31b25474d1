from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from dspex.errors import UsageError
from dspex.evaluate import builtin_metric, contains, exact_match, f1
from dspex.primitives import Example, Prediction


class Intent(Enum):
    LOST = "Lost card"


class Person(BaseModel):
    name: str


def labelled(**labels: Any) -> Example:
    return Example(text="t", **labels).with_inputs("text")


@pytest.mark.parametrize(
    ("label", "said", "same"),
    [
        ("Lost card", "lost  card ", True),
        ("lost card", "card", False),
        ("3", 3, True),
        (3, "3", True),
        (3, 3.0, True),
        ("true", True, True),
        ("lost card", Intent.LOST, True),
        ({"name": "x"}, Person(name="x"), True),
        ([{"name": "x"}], [Person(name="x")], True),
        (["a", "b"], ["b", "a"], False),
        (None, None, True),
        ("None", None, False),
        (0, None, False),
    ],
)
def test_exact_match_compares_text_as_text_and_values_as_values(label: Any, said: Any, same: bool) -> None:
    assert exact_match(labelled(intent=label), Prediction(intent=said)) is same


def test_all_labels_must_match_and_a_missing_one_does_not() -> None:
    example = labelled(intent="a", urgency="high")
    assert exact_match(example, Prediction(intent="A", urgency="high", reasoning="r"))
    assert not exact_match(example, Prediction(intent="a", urgency="low"))
    assert not exact_match(example, Prediction(intent="a"))
    assert not exact_match(example, "a")
    assert exact_match(example, {"intent": "a", "urgency": "high"})


def test_contains_looks_for_the_label_in_the_answer() -> None:
    assert contains(labelled(answer="Paris"), Prediction(answer="It is  paris."))
    assert not contains(labelled(answer="Paris"), Prediction(answer="Rome"))
    assert not contains(labelled(answer="Paris"), Prediction(other="Paris"))


def test_f1_is_the_average_over_the_labels() -> None:
    example = labelled(first="the eiffel tower", second="x")
    assert f1(example, Prediction(first="Eiffel Tower", second="x")) == 1.0
    assert f1(example, Prediction(first="Eiffel Tower")) == 0.5


def test_an_example_without_labels_cannot_be_scored() -> None:
    with pytest.raises(UsageError, match="no label"):
        exact_match(Example(text="t").with_inputs("text"), Prediction())


def test_builtin_metrics_go_by_name() -> None:
    assert builtin_metric("exact_match") is exact_match
    with pytest.raises(UsageError, match=r"Did you mean exact_match\?.*exact_match, contains, f1"):
        builtin_metric("exactmatch")
    with pytest.raises(UsageError, match=r"'zzz'\. Built in"):
        builtin_metric("zzz")
