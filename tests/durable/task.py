"""A task of our own for durable runs: a program that any worker can import, a metric, and data."""

from __future__ import annotations

import time
from typing import Any, Literal

import dspex

SECRET = "sk-test-4f1c0ffee"
"""A key that must never be found anywhere but in the environment of a worker."""

MARK = "zebrafinch"
"""Stands in every example, and must never be found in a history."""

KEY_VARIABLE = "DSPEX_TEST_KEY"

_THINGS = {"fruit": ("apple", "pear", "plum", "fig"), "tool": ("hammer", "saw", "drill", "file")}


class Sort(dspex.Signature):
    """Say what kind of thing is asked for."""

    text: str = dspex.InputField()
    kind: Literal["fruit", "tool"] = dspex.OutputField()


program = dspex.Predict(Sort)


class TwoSteps(dspex.Module):
    """Two predictors, written the plain way: synchronously."""

    def __init__(self) -> None:
        super().__init__()
        self.shorten = dspex.Predict("text -> gist")
        self.sort = dspex.ChainOfThought(Sort)

    def forward(self, text: str) -> Any:
        gist = self.shorten(text=text).gist
        return self.sort(text=f"{text} ({gist})")


class Fragile(dspex.Module):
    """Fails of its own on some examples."""

    def __init__(self) -> None:
        super().__init__()
        self.sort = dspex.Predict(Sort)

    def forward(self, text: str) -> Any:
        if "pear" in text:
            raise ValueError(f"cannot digest: {text}")
        return self.sort(text=text)


class Restless(dspex.Module):
    """Asks something else each time it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.sort = dspex.Predict(Sort)

    def forward(self, text: str) -> Any:
        return self.sort(text=f"{text} (at {time.time_ns()})")


def right_kind(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.kind == prediction.kind)


def examples(count: int, start: int = 0) -> list[dspex.Example]:
    """Examples that are all different, half of each kind."""
    rows = []
    for number in range(start, start + count):
        kind = ("fruit", "tool")[number % 2]
        thing = _THINGS[kind][number // 2 % 4]
        text = f"Order {number}: please send {MARK} my {thing}"
        rows.append(dspex.Example(text=text, kind=kind).with_inputs("text"))
    return rows
