"""`ProgramOfThought` in the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from dspex.predict import ProgramOfThought
from dspex.primitives import FinalOutput, PythonInterpreter
from dspex.settings import configure, context, reset
from dspex.utils.dummies import DummyLM

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


def code(text: str) -> dict[str, str]:
    return {"reasoning": "r", "generated_code": f"```python\n{text}\n```"}


ANSWER = {"reasoning": "r", "answer": "2"}


@pytest.mark.parametrize("use_async", [False, True])
def test_the_code_is_run_and_its_output_answers(use_async: bool) -> None:
    lm = DummyLM([code("SUBMIT({'answer': 1 + 1})"), ANSWER])
    configure(lm=lm)
    pot = ProgramOfThought("question -> answer")
    found = asyncio.run(pot.acall(question="1+1")) if use_async else pot(question="1+1")
    assert found.answer == "2"
    assert '[[ ## code_output ## ]]\n{"output": {"answer": 2}}' in lm.history[-1]["messages"][-1]["content"]


def test_the_lm_mends_code_that_fails() -> None:
    lm = DummyLM([code("1 / 0"), code("class A(B):\n    pass"), code("x = 2"), ANSWER])
    configure(lm=lm)
    assert ProgramOfThought("question -> answer")(question="1+1").answer == "2"
    asked = [entry["messages"][-1]["content"] for entry in lm.history]
    assert "ZeroDivisionError: ['division by zero']" in asked[1]
    assert "this sandbox runs a subset of Python" in asked[2]


def test_it_gives_up_after_max_iters() -> None:
    configure(lm=DummyLM([code("1 / 0")] * 2))
    with pytest.raises(RuntimeError, match=r"Max hops reached.*division by zero"):
        ProgramOfThought("question -> answer", max_iters=2)(question="1+1")


class Recorded:
    """An interpreter that answers from a list."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.tools: dict[str, Any] = {}
        self.executed: list[str] = []
        self.ended = 0

    def start(self) -> None: ...

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        self.executed.append(code)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def shutdown(self) -> None:
        self.ended += 1


@pytest.mark.parametrize("use_async", [False, True])
def test_the_callers_interpreter_is_used_and_not_ended(use_async: bool) -> None:
    mine = Recorded(FinalOutput({"answer": {1, 2}}))
    configure(lm=DummyLM([code("SUBMIT(2)"), ANSWER]))
    pot = ProgramOfThought("question -> answer")
    found = asyncio.run(pot.acall(mine, question="q")) if use_async else pot(mine, question="q")
    assert (found.answer, mine.executed, mine.ended) == ("2", ["SUBMIT(2)"], 0)


@pytest.mark.parametrize("result", [2, RuntimeError("broken")])
def test_an_interpreter_of_the_modules_own_is_ended(result: Any) -> None:
    made: list[Recorded] = []

    def factory() -> Recorded:
        made.append(Recorded(result))
        return made[-1]

    with context(lm=DummyLM([code("2"), ANSWER]), interpreter_factory=factory), contextlib.suppress(RuntimeError):
        ProgramOfThought("question -> answer")(question="q")
    assert [each.ended for each in made] == [1]


def test_a_factory_that_makes_something_else_is_refused() -> None:
    configure(lm=DummyLM([]))
    with pytest.raises(TypeError, match="must return a CodeInterpreter, not int"):
        ProgramOfThought("question -> answer", interpreter_factory=lambda: 3)(question="q")  # type: ignore[arg-type,return-value]


def test_it_is_copied_with_what_it_learned() -> None:
    pot = ProgramOfThought("question -> answer", interpreter_factory=PythonInterpreter)
    pot.code_generate.predict.demos = [{"question": "q", "reasoning": "r", "generated_code": "1"}]
    copied = copy.deepcopy(pot)
    assert copied.dump_state() == pot.dump_state()
    copied.code_generate.predict.demos.clear()
    assert pot.code_generate.predict.demos
