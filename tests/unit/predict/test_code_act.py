"""`CodeAct` in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from dspex.errors import ContextWindowExceededError
from dspex.predict import CodeAct
from dspex.settings import configure, reset
from dspex.utils.dummies import DummyLM

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


def factorial(n: int) -> int:
    return 1 if n == 1 else n * factorial(n - 1)


def turn(text: str, finished: bool = True) -> dict[str, Any]:
    return {"generated_code": f"```python\n{text}\n```", "finished": finished}


ANSWER = {"reasoning": "r", "factorial": "120"}


@pytest.mark.parametrize("use_async", [False, True])
def test_functions_are_defined_in_the_sandbox_whose_state_is_kept(use_async: bool) -> None:
    configure(lm=DummyLM([turn("x = factorial(5)", finished=False), turn("print(x)"), ANSWER]))
    act = CodeAct("n: int -> factorial: int", tools=[factorial])
    found = asyncio.run(act.acall(n=5)) if use_async else act(n=5)
    assert found.factorial == 120
    assert found.trajectory == {
        "generated_code_0": "x = factorial(5)\nx",
        "code_output_0": "120",
        "generated_code_1": "print(x)",
        "code_output_1": '"120\\n"',
    }


def test_functions_that_the_sandbox_cannot_define_are_called_on_the_host() -> None:
    def numbers(upto: int) -> list[int]:
        def count() -> Iterator[int]:
            yield from range(upto)

        return list(count())

    configure(lm=DummyLM([turn("sum(numbers(4))"), ANSWER]))
    found = CodeAct("n: int -> factorial: int", tools=[numbers])(n=5)
    assert found.trajectory["code_output_0"] == "6"


def test_errors_are_observations() -> None:
    turns = [turn("1 / 0", False), {"generated_code": "", "finished": False}, turn("def f(:", False)]
    configure(lm=DummyLM([*turns, ANSWER]))
    trajectory = CodeAct("n: int -> factorial: int", tools=[factorial], max_iters=9)(n=5, max_iters=3).trajectory
    assert (
        trajectory["observation_0"] == "Failed to execute the generated code: ZeroDivisionError: ['division by zero']"
    )
    assert trajectory["observation_1"] == "Failed to parse the generated code: Error: Empty code after parsing."
    assert trajectory["observation_2"].startswith("Failed to execute the generated code: Invalid Python syntax.")


def test_a_trajectory_that_is_too_long_loses_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(lm=DummyLM([turn(f"print({number})", False) for number in range(3)]))
    act = CodeAct("n: int -> factorial: int", tools=[factorial], max_iters=3)
    seen: list[str] = []

    def extract(**inputs: Any) -> dict[str, int]:
        seen.append(inputs["trajectory"])
        if len(seen) == 1:
            raise ContextWindowExceededError("too long")
        return {"factorial": 120}

    monkeypatch.setattr(act, "extractor", extract)
    assert act(n=5).factorial == 120
    assert ["print(0)" in text for text in seen] == [True, False]


def test_tools_are_functions() -> None:
    class Callable:
        def __call__(self) -> None: ...

    with pytest.raises(ValueError, match="CodeAct only accepts functions and not callable objects"):
        CodeAct("n -> factorial", tools=[Callable()])
