"""The result of one example in one step of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a program on example `index`.

    `error` is None if the program ran; `passed` is whether the trace met the metric, in steps that collect traces;
    `demos` are those of the trace, by predictor. A step may make several `attempts`, of which some fail with `errors`.
    `lm_calls` were paid for; `lm_calls_from_ledger` were answered from the ledger.
    """

    index: int
    score: float | None = None
    error: str | None = None
    passed: bool | None = None
    demos: dict[str, dict[str, Any]] | None = None
    prediction: dict[str, Any] | None = None
    lm_calls: int = 0
    lm_calls_from_ledger: int = 0
    attempts: int = 1
    errors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An example on which the program itself failed."""

    path: str
    index: int
    error: str
