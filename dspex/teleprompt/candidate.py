"""A candidate: what an optimizer would change in a program, by reference.

An optimizer never touches a program. It says "the student, with these rows of the training set and that trace of the
teacher as demos", which is small, serializable and means the same on every host. `dspex.runner.materialize` makes the
program from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PredictorName = str
"""The path of a predictor in its program, as `Module.named_predictors` gives it."""

DataName = Literal["train", "val"]
"""The role that a data set plays in a run."""


class RowDemo(BaseModel):
    """A demo that is a labelled example of a data set."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["row"] = "row"
    data: DataName = "train"
    index: int


class TraceDemo(BaseModel):
    """A demo that is what a predictor did when the step at `path` ran example `index`."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["trace"] = "trace"
    path: str
    index: int


Demo = Annotated[RowDemo | TraceDemo, Field(discriminator="kind")]


class Candidate(BaseModel):
    """A program of the run, changed.

    `fresh` starts from a reset copy (no demos, no LM of its own), as DSPy's optimizers do; otherwise from the program
    as it was given. A predictor without an entry in `demos` or `instructions` keeps what it has.
    """

    model_config = ConfigDict(frozen=True)
    base: Literal["student", "teacher"] = "student"
    fresh: bool = False
    demos: dict[PredictorName, list[Demo]] = {}
    instructions: dict[PredictorName, str] = {}
    compiled: bool = False
    """Whether the program counts as optimized, which DSPy's own optimizers then leave alone."""
