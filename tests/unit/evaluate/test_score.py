import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.errors import UsageError
from dspex.execution.score import ExactSum, as_score
from dspex.primitives import Prediction

scores = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=50)


@given(scores, st.randoms(use_true_random=False), st.integers(1, 7))
def test_the_sum_does_not_depend_on_order_or_partition(values: list[float], rng: random.Random, parts: int) -> None:
    whole = ExactSum.of(values)
    shuffled = rng.sample(values, len(values))
    merged = ExactSum()
    for start in range(parts):
        merged.merge(ExactSum.parse(str(ExactSum.of(shuffled[start::parts]))))
    assert merged == whole
    assert hash(merged) == hash(whole)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_counting_gives_the_percentage_that_dspy_gives(right: int, count: int) -> None:
    assert ExactSum(right).percent(count) == round(100 * right / count, 2)


def test_mean_text_and_number() -> None:
    total = ExactSum.of([0.5, 0.25])
    assert total.mean(3) == 0.25
    assert float(total) == 0.75
    assert str(total) == "3/4"
    assert repr(total) == "ExactSum('3/4')"
    assert total != 0.75


@pytest.mark.parametrize(("value", "score"), [(True, 1.0), (0, 0.0), (0.5, 0.5), (Prediction(score=2), 2.0)])
def test_a_metrics_result_is_a_number(value: object, score: float) -> None:
    assert as_score(value) == score


@pytest.mark.parametrize("value", [None, "x", float("nan"), float("-inf"), [], Prediction()])
def test_what_is_none_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="metric returned"):
        as_score(value)
