"""Program files cross between DSPy and dspex, both ways, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

import dspex.clients
import dspex.predict
import dspex.primitives
import dspex.signatures

dspy = pytest.importorskip("dspy")

pytestmark = pytest.mark.parity

OURS = SimpleNamespace(
    Module=dspex.primitives.Module,
    Example=dspex.primitives.Example,
    Predict=dspex.predict.Predict,
    ChainOfThought=dspex.predict.ChainOfThought,
    Signature=dspex.signatures.Signature,
    InputField=dspex.signatures.InputField,
    OutputField=dspex.signatures.OutputField,
    LM=dspex.clients.LM,
)


class Colour(Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    born: date


def bare(lib: Any) -> Any:
    return lib.Predict("question -> answer")


def chain(lib: Any) -> Any:
    return lib.ChainOfThought("context, question -> answer: int")


def described(lib: Any) -> Any:
    fields = {
        "question": (str, lib.InputField(desc="What is asked")),
        "answers": (list[str], lib.OutputField(desc="All of them", prefix="Reply:")),
    }
    return lib.Predict(lib.Signature(fields, "Answer.\n\nBriefly."))


def nested(lib: Any) -> Any:
    inner = module(lib, gen=lib.ChainOfThought("a -> b"), again=lib.Predict("b -> c"))
    return module(lib, first=inner, steps=[lib.Predict("c -> d"), inner, lib.ChainOfThought("d -> e")])


def collections(lib: Any) -> Any:
    shared = lib.Predict("a -> b")
    return module(
        lib,
        pair=(shared, lib.Predict("b -> c")),
        table={"x": lib.Predict("c -> d"), "y": lib.ChainOfThought("d -> e"), "z": 3},
        again=shared,
        note="not a module",
    )


def frozen(lib: Any) -> Any:
    done = lib.ChainOfThought("a -> b")
    done._compiled = True
    return module(lib, done=done, open=lib.Predict("b -> c"))


def module(lib: Any, **parts: Any) -> Any:
    made = lib.Module()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def filled(lib: Any, program: Any) -> Any:
    """`program` with demos of every kind of value, other instructions and, here and there, an LM."""
    for number, predictor in enumerate(program.predictors()):
        predictor.demos = [
            lib.Example(augmented=True, question=f"q {number}", answer=Person(name="x", born=date(2020, 1, 2))),
            lib.Example(question=["é", {"k": Person(name="y", born=date(2021, 1, 2))}], answer=None).with_inputs(
                "question"
            ),
            lib.Example(question=lib.Example(a=True), dspy_uuid="1"),
            {"question": Colour.RED, "answer": (1, 2.5)},
        ]
        predictor.signature = predictor.signature.with_instructions(f"Instruction {number}.")
        predictor.traces = [] if number else ["a trace"]
    if program.predictors():
        program.predictors()[-1].lm = lib.LM("openai/gpt-4o-mini", temperature=0.3, max_tokens=100, api_key="sk-x")
    return program


BUILDERS: list[Callable[[Any], Any]] = [bare, chain, described, nested, collections, frozen]


@pytest.mark.parametrize("build", BUILDERS)
def test_paths_of_predictors_are_dspys(build: Callable[[Any], Any]) -> None:
    for names in ("named_parameters", "named_predictors", "named_sub_modules"):
        here = [name for name, _ in getattr(build(OURS), names)()]
        assert here == [name for name, _ in getattr(build(dspy), names)()]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("fill", [lambda lib, program: program, filled], ids=["empty", "filled"])
def test_the_same_program_is_saved_as_the_same_bytes(build: Any, fill: Any, tmp_path: Path) -> None:
    fill(OURS, build(OURS)).save(tmp_path / "ours.json")
    fill(dspy, build(dspy)).save(tmp_path / "theirs.json")
    assert without_lm((tmp_path / "ours.json").read_bytes()) == without_lm((tmp_path / "theirs.json").read_bytes())


def without_lm(content: bytes) -> bytes:
    """An LM's own state is the client's matter: here it only counts that there is one, of the same model."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            lm = value.get("lm")
            rest = {key: cut(item) for key, item in value.items()}
            return {**rest, "lm": {"model": lm["model"], "temperature": lm["temperature"]}} if lm else rest
        return value

    return orjson.dumps(cut(orjson.loads(content))) if b'"lm": {' in content else content


@pytest.mark.parametrize("build", BUILDERS)
def test_dspy_loads_what_we_save(build: Any, tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    filled(OURS, build(OURS)).save(path, metadata={"run": "r", "scores": [1.0], "more": {"x": None}})
    loaded = build(dspy)
    loaded.load(path)
    compare(filled(OURS, build(OURS)), loaded)


@pytest.mark.parametrize("build", BUILDERS)
def test_we_load_what_dspy_saves(build: Any, tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    filled(dspy, build(dspy)).save(path)
    loaded = build(OURS)
    loaded.load(path)
    compare(filled(dspy, build(dspy)), loaded)


def compare(saved: Any, loaded: Any) -> None:
    """What a file keeps of a program came through."""
    assert len(saved.predictors()) == len(loaded.predictors())
    for (name, before), (other, after) in zip(saved.named_predictors(), loaded.named_predictors(), strict=True):
        assert name == other
        assert after.signature.instructions == before.signature.instructions
        assert after.signature.dump_state() == before.signature.dump_state()
        assert orjson.dumps(after.demos) == orjson.dumps(before.dump_state()["demos"])
        assert all(isinstance(demo, dict) for demo in after.demos)
        assert after.traces == before.traces
        assert (after.lm and after.lm.model) == (before.lm and before.lm.model)


def test_a_file_goes_back_and_forth_without_a_change(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{number}.json" for number in (1, 2, 3))
    program = filled(dspy, nested(dspy))
    program.set_lm(None)
    program.save(first)
    ours = nested(OURS)
    ours.load(first)
    ours.save(second)
    theirs = nested(dspy)
    theirs.load(second)
    theirs.save(third)
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


def test_an_optimized_dspy_program_runs_here(tmp_path: Path) -> None:
    """Demos that DSPy's optimizer chose show up in our prompt as in DSPy's."""
    trainset = [dspy.Example(question=f"q{n}", answer=f"a{n}").with_inputs("question") for n in range(6)]
    optimized = dspy.LabeledFewShot(k=3).compile(dspy.ChainOfThought("question -> answer"), trainset=trainset)
    optimized.save(tmp_path / "program.json")
    ours = dspex.predict.ChainOfThought("question -> answer")
    ours.load(tmp_path / "program.json")
    from dspex.adapters import ChatAdapter

    inputs = {"question": "new"}
    here = ChatAdapter().format(ours.predict.signature, ours.predict.demos, inputs)
    there = dspy.ChatAdapter().format(optimized.predict.signature, optimized.predict.demos, inputs)
    assert here == there
