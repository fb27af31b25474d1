from __future__ import annotations

from typing import Any

import pytest
from support.pattern_runner import PatternRunner, task

from dspex.errors import UsageError
from dspex.predict import ChainOfThought
from dspex.primitives import Example
from dspex.teleprompt import LabeledFewShot
from dspex.teleprompt.candidate import RowDemo
from dspex.teleprompt.runner_protocol import ProgramFacts


def started(rows: int = 10, **arguments: Any) -> Any:
    optimizer = LabeledFewShot(**arguments)
    state = optimizer.start(task([["pass"]] * rows))
    assert state.done
    return optimizer.best(type(state).model_validate_json(state.model_dump_json()))


@pytest.mark.parametrize(("k", "rows", "count"), [(0, 10, 0), (3, 10, 3), (99, 10, 10), (3, 0, 0)])
def test_each_predictor_gets_k_rows_or_all(k: int, rows: int, count: int) -> None:
    for sample in (True, False):
        demos = started(rows, k=k, sample=sample).demos
        assert all(len({demo.index for demo in each}) == len(each) == count for each in demos.values())


def test_without_sampling_the_first_rows_are_taken() -> None:
    assert started(k=2, sample=False).demos["second"] == [RowDemo(index=0), RowDemo(index=1)]


def test_the_seed_and_nothing_else_decides() -> None:
    assert started(k=4) == started(k=4)
    assert started(k=4) != started(k=4, seed=1)
    assert started(k=4).demos["first"] != started(k=4).demos["second"]


async def test_it_asks_for_no_run() -> None:
    optimizer, runner = LabeledFewShot(), PatternRunner()
    state = optimizer.start(task([["pass"]] * 3))
    assert await optimizer.step(state, runner) == state
    assert runner.requests == []


def test_a_negative_k_is_refused() -> None:
    with pytest.raises(UsageError, match="k=-1"):
        LabeledFewShot(k=-1)


def test_a_compiled_student_stays_compiled_and_others_do_not_become_so() -> None:
    rows = [Example(question="q", answer="a").with_inputs("question")]
    student = ChainOfThought("question -> answer")
    assert LabeledFewShot(k=1).compile(student, trainset=rows)._compiled is False
    student._compiled = True
    assert LabeledFewShot(k=1).compile(student, trainset=rows)._compiled is True


def test_compile_takes_dspys_sample() -> None:
    rows = [Example(question=f"q{n}", answer="a").with_inputs("question") for n in range(20)]
    student = ChainOfThought("question -> answer")
    first = LabeledFewShot(k=2).compile(student, trainset=rows, sample=False)
    assert first.predict.demos == rows[:2]
    assert LabeledFewShot(k=2, sample=False).compile(student, trainset=rows).predict.demos == rows[:2]
    assert LabeledFewShot(k=2, sample=False).compile(student, trainset=rows, sample=True).predict.demos != rows[:2]


def test_a_program_without_predictors_gets_nothing() -> None:
    assert LabeledFewShot().start(task([["pass"]], student=ProgramFacts(predictors=[]))).candidate.demos == {}
