"""What an optimizer may ask for, and gets back. Local and durable runs implement the same four things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from dspex.teleprompt.candidate import Candidate, DataName, PredictorName


class ProgramFacts(BaseModel):
    """What an optimizer must know of a program."""

    model_config = ConfigDict(frozen=True)
    predictors: list[PredictorName]
    signatures: list[str] = []
    """The fields of each predictor, such as ``"question -> answer"``."""
    compiled: bool = False


class Task(BaseModel):
    """The problem to solve: the program and the sizes of the data, but none of the data."""

    model_config = ConfigDict(frozen=True)
    student: ProgramFacts
    teacher: ProgramFacts | None = None
    train_rows: int
    val_rows: int = 0
    max_errors: int = 10


class Evaluation(BaseModel):
    """The score of a candidate on a data set: a percentage, rounded to 2 decimals as DSPy does."""

    model_config = ConfigDict(frozen=True)
    path: str
    data: DataName
    rows: int
    score: float
    n_failed: int = 0


class Traced(BaseModel):
    """The result of a teacher on one training example. The demos themselves stay with the runner."""

    model_config = ConfigDict(frozen=True)
    index: int
    passed: bool
    predictors: list[PredictorName] = []
    """Predictors that left a demo, in the order of the program."""
    attempts: int = 1
    errors: list[str] = []
    """One name of an exception for each attempt that failed; the texts are in the store."""


class TraceRequest(BaseModel):
    """Run `candidate` on the examples `indices` of `data`, up to `rounds` times each, and keep what passes.

    Round 0 is the program as it is; each further round samples anew at temperature 1.0 (DSPy's `rollout_id`). A trace
    passes when its metric reaches `threshold` or, without one, is true; without a metric, always. A demo equal to the
    example is taken out of the prompts first, so that no answer is copied.
    """

    model_config = ConfigDict(frozen=True)
    path: str
    candidate: Candidate
    data: DataName = "train"
    indices: list[int]
    rounds: int = 1
    threshold: float | None = None


class Runner(Protocol):
    """Runs candidates for an optimizer, wherever that is."""

    async def evaluate(self, candidate: Candidate, data: DataName, *, path: str) -> Evaluation:
        """Score a candidate on all examples of a data set.

        Args:
            candidate: The candidate.
            data: The data set's role.
            path: The step's name, which no other step of the run has.
        """
        ...

    async def trace(self, request: TraceRequest) -> Sequence[Traced]:
        """Run a teacher on examples and keep the traces that pass.

        Returns:
            One result for each example, in the order of `request.indices`.
        """
        ...
