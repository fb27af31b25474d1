"""``optimizer.compile(...)`` here and now: from any kind of caller, without a change to what the caller holds."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM, field

import dspex
from dspex.errors import LMAuthError, LMNotConfiguredError, UsageError
from dspex.primitives import Example, Module, Prediction
from dspex.runner.optimize import optimize_locally
from dspex.settings import configure, context, reset
from dspex.teleprompt import BootstrapFewShot, LabeledFewShot
from dspex.teleprompt.bootstrap import BootstrapFailedError
from dspex.teleprompt.optimization_run import Phase


def echo(prompt: str) -> dict[str, Any]:
    return {"answer": field(prompt, "question")}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM(echo))
    yield
    reset()


class Program(Module):
    def __init__(self) -> None:
        super().__init__()
        self.ask = dspex.Predict("question -> answer")

    def forward(self, question: str) -> Prediction:
        return self.ask(question=question)


class Broken(Program):
    def forward(self, question: str) -> Prediction:
        raise ValueError(f"cannot digest {question}")


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def rows(count: int = 12) -> list[Example]:
    return [Example(question=f"q{n}", answer=f"q{n}" if n % 2 else "no").with_inputs("question") for n in range(count)]


FOUND = [f"q{n}" for n in (1, 3, 5, 7)]


def compiled(program: Module | None = None, **options: Any) -> Any:
    return BootstrapFewShot(metric=right, **options).compile(program or Program(), trainset=rows())


def questions(program: Any) -> list[str]:
    return [demo.question for demo in program.ask.demos if "augmented" in demo]


def test_compile_from_plain_code() -> None:
    program = compiled()
    assert questions(program) == FOUND
    assert len(program.ask.demos) == 12
    assert program._compiled


async def test_compile_inside_a_running_event_loop() -> None:
    assert questions(compiled()) == FOUND


def test_compile_inside_a_program() -> None:
    """As KNNFewShot does: an optimization for each call, in synchronous code that runs on the engine's loop."""

    class Outer(Module):
        def forward(self, question: str) -> Any:
            return compiled()(question=question)

    examples = [Example(question="z1").with_inputs("question"), Example(question="z2").with_inputs("question")]
    assert [each.answer for each in Outer().batch(examples, disable_progress_bar=True)] == ["z1", "z2"]


def test_the_settings_of_the_callers_block_are_in_force() -> None:
    configure(lm=None)
    mine = AnsweringLM(echo)
    with context(lm=mine):
        assert questions(compiled()) == FOUND
    assert mine.requests


def test_student_teacher_and_data_are_not_changed() -> None:
    student, teacher, data = Program(), Program(), rows()
    teacher.ask.demos = [Example(question="own", answer="own")]
    before = copy.deepcopy((student.dump_state(), teacher.dump_state(), data))
    found = BootstrapFewShot(metric=right, max_rounds=2).compile(student, teacher=teacher, trainset=data)
    found.ask.demos.clear()
    assert (student.dump_state(), teacher.dump_state(), data) == before
    assert not student._compiled
    assert not teacher._compiled


def test_labelled_demos_are_the_callers_own_examples() -> None:
    """Whatever they hold: nothing is forced into JSON before something has to travel."""

    class Photo:
        pass

    data = [Example(question=f"q{n}", answer="x", photo=Photo()).with_inputs("question") for n in range(5)]
    found = LabeledFewShot(k=2, sample=False).compile(Program(), trainset=data)
    assert found.ask.demos[0] is data[0]
    boot = BootstrapFewShot(metric=lambda example, prediction: isinstance(example.photo, Photo))
    assert questions(boot.compile(Program(), trainset=data)) == ["q0", "q1", "q2", "q3"]


def test_compile_twice_gives_the_same() -> None:
    optimizer = BootstrapFewShot(metric=right)
    first = optimizer.compile(Program(), trainset=rows())
    assert optimizer.compile(Program(), trainset=rows()).dump_state() == first.dump_state()


def test_dspys_arguments_in_dspys_places() -> None:
    optimizer = BootstrapFewShot(right, None, {}, 1, 2, 1, 5)
    assert len(optimizer.compile(Program(), trainset=rows(), teacher=Program()).ask.demos) == 2
    assert len(LabeledFewShot(1).compile(Program(), trainset=rows()).ask.demos) == 1


def test_giving_up_tells_what_went_wrong() -> None:
    with pytest.raises(BootstrapFailedError, match=r"failed 2 times.*Example 0: ValueError: cannot digest q0\."):
        compiled(Broken(), max_errors=2)


def test_a_validation_set_is_looked_at_and_not_scored() -> None:
    optimizer = BootstrapFewShot(metric=right)
    with pytest.raises(UsageError, match="validation set is empty"):
        optimizer.compile(Program(), trainset=rows(), valset=[])
    configure(lm=AnsweringLM(echo))
    found = optimizer.compile(Program(), trainset=rows(), valset=rows(500))
    assert questions(found) == FOUND
    assert len(dspex.settings.lm.requests) < 20


# What is refused before anything is paid for


def test_an_empty_training_set_is_refused() -> None:
    for optimizer in (BootstrapFewShot(metric=right), LabeledFewShot()):
        with pytest.raises(UsageError, match="training set is empty"):
            optimizer.compile(Program(), trainset=[])


def test_examples_without_inputs_are_refused_where_they_would_be_run() -> None:
    data = [Example(question="q", answer="a")]
    with pytest.raises(UsageError, match=r"with_inputs\(...\). Fields: question, answer"):
        BootstrapFewShot(metric=right).compile(Program(), trainset=data)
    assert LabeledFewShot().compile(Program(), trainset=data).ask.demos == data


def test_no_model_is_needed_where_none_is_asked() -> None:
    configure(lm=None)
    with pytest.raises(LMNotConfiguredError):
        compiled()
    assert len(compiled(max_bootstrapped_demos=0).ask.demos) == 12
    assert questions(compiled(teacher_settings={"lm": AnsweringLM(echo)})) == FOUND


def test_a_wrong_key_ends_the_run_at_once() -> None:
    lm = FailingLM(echo, LMAuthError("bad key"))
    with context(lm=lm, num_threads=1), pytest.raises(LMAuthError):
        compiled(max_errors=100)
    assert len(lm.requests) == 1


async def test_scoring_without_a_metric_is_refused() -> None:
    with pytest.raises(UsageError, match="no metric"):
        await optimize_locally(LabeledFewShot(), Program(), trainset=rows(), valset=rows())


async def test_a_watched_run_tells_of_each_step_and_example() -> None:
    phases, outcomes = [], []
    found = await optimize_locally(
        LabeledFewShot(k=3),
        Program(),
        trainset=rows(),
        valset=rows(4),
        metric=right,
        on_outcome=lambda path, size, outcome: outcomes.append((path, size)),
        on_step=lambda state: phases.append(state.phase),
    )
    assert phases == [Phase.BASELINE, Phase.OPTIMIZING, Phase.FINAL, Phase.DONE]
    assert outcomes == [("baseline", 4)] * 4 + [("final", 4)] * 4
    assert (found.baseline_score, found.score, found.n_failed) == (50.0, 50.0, 0)
    assert found.usage.calls == 8
