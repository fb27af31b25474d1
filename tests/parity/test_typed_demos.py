"""Demos from traces are kept as JSON, and read in prompts as DSPy's, which keeps the objects."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from alike import without_metadata
from pydantic import BaseModel, Field

import dspex

dspy = pytest.importorskip("dspy")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    born: datetime.date
    alias: str = Field("x", alias="al")
    age: int | None = None
    colour: Colour = Colour.RED


class Home(BaseModel):
    people: dict[str, list[Person]]
    at: tuple[float, float] | None = None


SAVED_ALIKE: dict[str, tuple[Any, str]] = {
    "model": (Person, '{"name":"a","born":"2020-01-02","al":"zz"}'),
    "nested": (Home, '{"people":{"k":[{"name":"a","born":"2020-01-02"}]},"at":[1,2.5]}'),
    "list of models": (list[Person], '[{"name":"a","born":"2020-01-02"}]'),
    "optional": (Person | None, "null"),
    "enum": (Colour, "red"),
    "enums": (list[Colour], '["red","blue"]'),
    "literal": (Literal["a", "b"], "a"),
    "date": (datetime.date, "2020-01-02"),
    "local time": (datetime.datetime, "2020-01-02T03:04:05.5"),
    "uuid": (uuid.UUID, "12345678-1234-5678-1234-567812345678"),
    "tuple": (tuple[int, str], '[1,"a"]'),
    "float": (float, "1e10"),
    "bool": (bool, "true"),
    "any": (Any, '{"a":[1,2.0,null]}'),
    "texts": (list[str], '["a","é"]'),
}
NOT_SAVED_ALIKE: dict[str, tuple[Any, str]] = {  # by DSPy not at all, but for the first: there it writes +00:00 for Z
    "universal time": (datetime.datetime, "2020-01-02T03:04:05Z"),
    "duration": (datetime.timedelta, "PT3600.5S"),
    "decimal": (decimal.Decimal, "1.10"),
    "set": (set[int], "[1,2,3]"),
    "keys": (dict[int, str], '{"1":"a"}'),
    "bytes": (bytes, "abc"),
}


def model(library: Any, text: str) -> Any:
    class Fixed(library.BaseLM):  # type: ignore[misc]
        blocking = False

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            content = f"[[ ## out ## ]]\n{text}\n\n[[ ## completed ## ]]"
            choice = SimpleNamespace(message=SimpleNamespace(content=content), finish_reason="stop")
            return SimpleNamespace(choices=[choice], usage={"total_tokens": 1}, model="fixed")

    return Fixed("fixed")


def optimized(library: Any, type_: Any, text: str) -> tuple[Any, Any]:
    """A program whose first predictor makes a value and whose second is given it; and such a value."""

    def signature(name: str, given: Any) -> Any:
        return library.Signature({name: (given, library.InputField()), "out": (type_, library.OutputField())}, "Do.")

    class Pass(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.make = library.Predict(signature("question", str))
            self.use = library.Predict(signature("given", type_))

        def forward(self, question: str) -> Any:
            return self.use(given=self.make(question=question).out)

    data = [library.Example(question=f"q{n}").with_inputs("question") for n in range(3)]
    with library.context(lm=model(library, text), warn_on_type_mismatch=False):
        optimizer = library.BootstrapFewShot(max_bootstrapped_demos=2, max_labeled_demos=0)
        program = optimizer.compile(Pass(), trainset=data)
        return program, program(question="new").out


def prompts(library: Any, program: Any, value: Any, adapter: str) -> list[list[dict[str, Any]]]:
    format_ = getattr(library, adapter)().format
    asked = [(program.make, {"question": "z"}), (program.use, {"given": value})]
    return [[dict(each) for each in format_(predictor.signature, predictor.demos, given)] for predictor, given in asked]


@pytest.mark.parametrize("adapter", ["ChatAdapter", "JSONAdapter"])
@pytest.mark.parametrize("name", [*SAVED_ALIKE, *NOT_SAVED_ALIKE])
def test_prompts_with_demos_of_this_type_are_dspys(name: str, adapter: str, tmp_path: Path) -> None:
    type_, text = {**SAVED_ALIKE, **NOT_SAVED_ALIKE}[name]
    ours, value = optimized(dspex, type_, text)
    theirs, their_value = optimized(dspy, type_, text)
    assert len(ours.use.demos) == 2
    assert prompts(dspex, ours, value, adapter) == prompts(dspy, theirs, their_value, adapter)


@pytest.mark.parametrize("name", SAVED_ALIKE)
def test_files_with_demos_of_this_type_are_dspys(name: str, tmp_path: Path) -> None:
    for library in (dspex, dspy):
        optimized(library, *SAVED_ALIKE[name])[0].save(tmp_path / f"{library.__name__}.json")
    assert without_metadata(tmp_path / "dspex.json") == without_metadata(tmp_path / "dspy.json")


@pytest.mark.parametrize("name", [*SAVED_ALIKE, *NOT_SAVED_ALIKE])
def test_a_saved_program_prompts_as_before(name: str, tmp_path: Path) -> None:
    type_, text = {**SAVED_ALIKE, **NOT_SAVED_ALIKE}[name]
    program, value = optimized(dspex, type_, text)
    before = prompts(dspex, program, value, "ChatAdapter")
    program.save(tmp_path / "program.json")
    program.load(tmp_path / "program.json")
    assert prompts(dspex, program, value, "ChatAdapter") == before
