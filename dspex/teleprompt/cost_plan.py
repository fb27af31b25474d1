"""What an optimizer may ask of a runner at most, in numbers: what a run's cost is estimated from before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dspex.teleprompt.candidate import DataName


@dataclass(frozen=True, slots=True)
class PlannedRuns:
    """A step that runs a program on the first `rows` rows of a data set, up to `rounds` times each, with up to `demos`
    labelled examples and `traces` of its own runs in each predictor's prompt."""

    step: str
    data: DataName
    rows: int
    base: Literal["student", "teacher"] = "student"
    rounds: int = 1
    demos: int = 0
    traces: int = 0


@dataclass(frozen=True, slots=True)
class CostPlan:
    """All steps of an optimizer, and how many demos a predictor of the program that it finds has at most."""

    steps: Sequence[PlannedRuns] = ()
    demos: int = 0
    traces: int = 0
