"""A user's module, as a worker imports it: programs and metrics that runs name."""

from __future__ import annotations

from enum import Enum
from typing import Any

import dspex


class Colour(Enum):
    RED = "red"


class Named(dspex.Signature):
    """Say the colour."""

    text: str = dspex.InputField()
    colour: Colour = dspex.OutputField()


class Steps(dspex.Module):
    def __init__(self, hops: int = 2, temperature: float | None = None) -> None:
        super().__init__()
        self.hops = hops
        self.calls = 0
        config = {} if temperature is None else {"temperature": temperature}
        self.steps = [dspex.Predict("text -> text2", **config) for _ in range(hops)]
        self.name = dspex.ChainOfThought(Named)

    def forward(self, text: str) -> Any:
        self.calls += 1
        for step in self.steps:
            text = step(text=text).text2
        return self.name(text=text)


class NeedsArguments(dspex.Module):
    def __init__(self, retriever: Any) -> None:
        super().__init__()
        self.ask = dspex.Predict("text -> answer")


class FailsWhenMade(dspex.Module):
    def __init__(self, index: str | None = None) -> None:
        super().__init__()
        if index is None:
            raise OSError("no index")


program = Steps(hops=3)
named = dspex.Predict(Named)
a_number = 3


def factory() -> Any:
    return Steps(hops=1)


def makes_nothing() -> Any:
    return "no program"


def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
    return True


class Judge:
    def strict(self, example: Any, prediction: Any) -> bool:
        return True

    @staticmethod
    def mild(example: Any, prediction: Any) -> bool:
        return True


a_lambda = lambda example, prediction: True  # noqa: E731
