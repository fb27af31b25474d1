from collections.abc import Iterator
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM, GatedLM, field

from dspex.errors import LMAuthError, LMRateLimitError, UsageError
from dspex.execution.attempt import RetryPolicy
from dspex.predict import Parallel, Predict
from dspex.predict.parallel import BatchInterrupted
from dspex.primitives import Example, Module, Prediction
from dspex.settings import configure, reset


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM(lambda prompt: {"answer": field(prompt, "question")}))
    yield
    reset()


class Picky(Module):
    """Fails on odd numbers, by its own fault."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = Predict("question -> answer")

    def forward(self, question: int) -> Prediction:
        if question % 2:
            raise ValueError(f"{question} is odd")
        return self.ask(question=question)


def examples(count: int) -> list[Example]:
    return [Example(question=number, answer="a").with_inputs("question") for number in range(count)]


def test_batch_gives_results_in_order() -> None:
    results = Predict("question -> answer").batch(examples(20), num_threads=4, disable_progress_bar=True)
    assert [result.answer for result in results] == [str(number) for number in range(20)]


def test_batch_runs_sync_programs_at_once() -> None:
    configure(lm=GatedLM(lambda prompt: {"answer": "a"}, expected=10))
    assert len(Picky().batch(examples(20)[::2], disable_progress_bar=True)) == 10


def test_failures_are_none_and_returned_on_request() -> None:
    results, failed, errors = Picky().batch(examples(4), return_failed_examples=True, disable_progress_bar=True)
    assert [result and result.answer for result in results] == ["0", None, "2", None]
    assert [example.question for example in failed] == [1, 3]
    assert [str(error) for error in errors] == ["1 is odd", "3 is odd"]


def test_too_many_failures_stop_the_batch_and_keep_its_results() -> None:
    with pytest.raises(BatchInterrupted, match=r"max_errors=2.*odd") as caught:
        Picky().batch(examples(100), num_threads=1, max_errors=2, disable_progress_bar=True)
    assert [index for index, _ in caught.value.failures] == [1, 3]
    assert [bool(result) for result in caught.value.results[:5]] == [True, False, True, False, False]


def test_rate_limits_are_waited_out() -> None:
    configure(lm=FailingLM({"answer": "a"}, *[LMRateLimitError("slow down") for _ in range(5)]))
    parallel = Parallel(patience=RetryPolicy(base=0), disable_progress_bar=True, max_errors=1)
    predictor = Predict("question -> answer")
    assert [result.answer for result in parallel([(predictor, {"question": "q"})] * 3)] == ["a"] * 3


def test_a_wrong_key_ends_the_batch_at_once() -> None:
    configure(lm=FailingLM({}, *[LMAuthError("bad key") for _ in range(9)]))
    with pytest.raises(LMAuthError):
        Predict("question -> answer").batch(examples(3), disable_progress_bar=True)


async def test_pairs_may_hold_dicts_tuples_examples_and_lists() -> None:
    def double(number: int) -> int:
        return number * 2

    def keys(example: Example) -> list[str]:
        return example.keys()

    plain = Parallel(disable_progress_bar=True)
    pairs: list[Any] = [(double, {"number": 1}), (double, (2,)), (double, Example(number=3, x=0).with_inputs("number"))]
    assert await plain.acall([*pairs, (Parallel(disable_progress_bar=True), [(double, (4,))])]) == [2, 4, 6, [8]]
    whole = Parallel(disable_progress_bar=True, access_examples=False)
    assert await whole.acall([(keys, Example(a=1))]) == [["a"]]
    with pytest.raises(UsageError, match="Invalid example type"):
        await plain.acall([(double, 1)])
