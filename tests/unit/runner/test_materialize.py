"""A candidate, which is small and data, becomes a program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel
from support.answering import AnsweringLM

from dspex.adapters.formatting import format_value
from dspex.errors import UsageError
from dspex.predict import ChainOfThought, Predict
from dspex.primitives import Example, Module, Prediction
from dspex.runner.materialize import demos_of_trace, facts, materialize, without_demo
from dspex.teleprompt.candidate import Candidate, DataName, RowDemo, TraceDemo

TRAIN = [Example(question=f"q{n}", answer=f"a{n}").with_inputs("question") for n in range(9)]
VAL = [Example(question=f"v{n}", answer=f"w{n}").with_inputs("question") for n in range(9)]


class Source:
    async def rows(self, data: DataName, indices: Sequence[int]) -> Sequence[Example]:
        return [{"train": TRAIN, "val": VAL}[data][index] for index in indices]

    async def traced(self, path: str, index: int) -> Mapping[str, dict[str, Any]]:
        return {"gist": {"augmented": True, "place": f"{path}/{index}"}}


class Steps(Module):
    def __init__(self) -> None:
        super().__init__()
        self.gist = Predict("question -> gist")
        self.solve = ChainOfThought("question, gist -> answer")


def student() -> Steps:
    program = Steps()
    program.gist.demos = [Example(question="own", gist="own")]
    program.gist.lm = AnsweringLM({})
    return program


async def made(candidate: Candidate, program: Module | None = None) -> Any:
    return await materialize(candidate, {"student": program or student()}, Source())


async def test_demos_are_the_rows_and_traces_they_refer_to_in_order() -> None:
    demos = [
        RowDemo(index=3),
        TraceDemo(path="bootstrap/0", index=7),
        RowDemo(data="val", index=1),
        RowDemo(index=0),
        RowDemo(index=3),
    ]
    program = await made(Candidate(demos={"gist": demos}))
    assert program.gist.demos == [
        TRAIN[3],
        Example(augmented=True, place="bootstrap/0/7"),
        VAL[1],
        TRAIN[0],
        TRAIN[3],
    ]


async def test_what_a_candidate_does_not_name_stays() -> None:
    program = await made(Candidate(instructions={"solve.predict": "Briefly."}))
    assert program.solve.predict.signature.instructions == "Briefly."
    assert program.gist.demos == [Example(question="own", gist="own")]
    assert isinstance(program.gist.lm, AnsweringLM)
    assert program.gist.signature.instructions == student().gist.signature.instructions


async def test_a_fresh_candidate_starts_without_demos_and_lm() -> None:
    program = await made(Candidate(fresh=True))
    assert program.gist.demos == []
    assert program.gist.lm is None


async def test_the_programs_of_the_run_are_never_changed() -> None:
    program = student()
    before = program.dump_state()
    candidate = Candidate(
        demos={"gist": [RowDemo(index=0)], "solve.predict": []}, instructions={"gist": "Other."}, compiled=True
    )
    for each in (candidate, candidate.model_copy(update={"fresh": True})):
        changed = await made(each, program)
        changed.gist.demos.append("more")
        assert changed._compiled
    assert program.dump_state() == before
    assert not program._compiled


async def test_a_predictor_that_is_not_there_is_refused_by_name() -> None:
    for candidate in (Candidate(demos={"gone": []}), Candidate(instructions={"gone": "x"})):
        with pytest.raises(UsageError, match=r"no predictor gone. Predictors: gist, solve.predict"):
            await made(candidate)


def test_the_facts_of_a_program_are_its_predictors_and_their_fields() -> None:
    known = facts(student())
    assert known.predictors == ["gist", "solve.predict"]
    assert known.signatures == ["question -> gist", "question, gist -> reasoning, answer"]
    assert not known.compiled


def test_a_teacher_does_not_see_the_example_it_is_asked() -> None:
    teacher = Steps()
    twin = Example(question="q1", answer="a1")
    teacher.gist.demos = [TRAIN[0], TRAIN[1], twin, TRAIN[2], {"question": "q1", "answer": "a1"}]
    teacher.solve.predict.demos = [TRAIN[1]]
    asked = without_demo(teacher, TRAIN[1])
    assert asked.gist.demos == [TRAIN[0], TRAIN[2], {"question": "q1", "answer": "a1"}], "plain dicts stay, as in DSPy"
    assert asked.solve.predict.demos == []
    assert len(teacher.gist.demos) == 5, "the next example sees them all again"
    assert without_demo(teacher, TRAIN[7]) is teacher


# Demos of a trace


def fire(program: Steps, count: int) -> list[tuple[Any, dict[str, Any], Prediction]]:
    return [(program.gist, {"question": f"q{n}"}, Prediction(gist=f"g{n}")) for n in range(count)]


def chosen(place: str, count: int = 4) -> int:
    program = Steps()
    return int(demos_of_trace(program, fire(program, count), place=place)["gist"]["gist"][1:])


def test_a_demo_is_inputs_and_outputs_marked_as_augmented() -> None:
    program = Steps()
    trace = [*fire(program, 1), (Predict("a -> b"), {"a": 1}, Prediction(b=2))]
    assert demos_of_trace(program, trace, place="") == {"gist": {"augmented": True, "question": "q0", "gist": "g0"}}


def test_of_several_firings_the_last_is_kept_half_the_time_and_any_other_else() -> None:
    kept = [chosen(f"bootstrap/0/{index}") for index in range(1000)]
    assert 400 < kept.count(3) < 600
    assert all(100 < kept.count(each) < 240 for each in (0, 1, 2))


def test_which_firing_is_kept_depends_on_the_place_alone_in_any_process() -> None:
    places = [f"bootstrap/10/{index}" for index in range(20)]
    code = (
        "import sys; sys.path[:0] = ['tests/unit/runner', 'tests']\n"
        f"from test_materialize import chosen; print([chosen(place) for place in {places!r}])"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert elsewhere.strip() == repr([chosen(place) for place in places])


class Colour(Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    seen: datetime


class Strange:
    def __str__(self) -> str:
        return "strange"


@pytest.mark.parametrize(
    "value",
    [
        "text", 1, 1.5, True, None, Colour.RED, (1, "a"), {3, 1, 2}, {1: Colour.RED}, b"abc", float("inf"), Strange(),
        [Strange()], datetime(2020, 1, 2, tzinfo=UTC), Person(name="x", seen=datetime(2020, 1, 2, tzinfo=UTC)),
        [Person(name="x", seen=datetime(2020, 1, 2))], Example(a=1), Prediction(a=Colour.RED),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_demo_reads_in_prompts_as_what_it_came_from(value: Any) -> None:
    program = Steps()
    trace = [(program.gist, {"question": value}, Prediction(gist=value))]
    demo = demos_of_trace(program, trace, place="")["gist"]
    assert format_value(demo["question"]) == format_value(demo["gist"]) == format_value(value)


def test_sets_are_kept_in_one_order() -> None:
    program = Steps()
    words = {"plum", "apple", "fig", "pear"}
    demo = demos_of_trace(program, [(program.gist, {"question": words}, Prediction(gist=""))], place="")["gist"]
    assert demo["question"] == sorted(words)
