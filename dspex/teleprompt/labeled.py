"""LabeledFewShot: demos straight from the labelled data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dspex.errors import UsageError
from dspex.teleprompt.candidate import Candidate, Demo, PredictorName, RowDemo
from dspex.teleprompt.cost_plan import CostPlan
from dspex.teleprompt.optimizer import Optimizer, OptimizerState
from dspex.teleprompt.runner_protocol import Runner, Task

if TYPE_CHECKING:
    from dspex.primitives import Example, Module


class LabeledState(OptimizerState):
    """The demos chosen."""

    candidate: Candidate


class LabeledFewShot(Optimizer[LabeledState]):
    """Give every predictor examples of the training set as demos. Makes no LM call.

    Chooses the examples that DSPy's `LabeledFewShot` chooses.

    Args:
        k: Demos for each predictor.
        sample: Draw them at random (one stream over the predictors, in program order); otherwise take the first `k`.
        seed: Of the draw.
    """

    name: ClassVar[str] = "labeled"
    state_type: ClassVar[type[OptimizerState]] = LabeledState

    def __init__(self, k: int = 16, sample: bool = True, seed: int = 0) -> None:
        if k < 0:
            raise UsageError(f"LabeledFewShot(k={k}): k is a number of demos and cannot be negative.")
        self.k = k
        self.sample = sample
        self.seed = seed
        self.teacher_settings = {}

    def start(self, task: Task) -> LabeledState:
        demos = labeled_demos(task.student.predictors, task.train_rows, k=self.k, sample=self.sample, seed=self.seed)
        count = min(self.k, task.train_rows)
        return LabeledState(done=True, candidate=Candidate(fresh=True, demos=demos), note=f"{count} labelled demos")

    async def step(self, state: LabeledState, run: Runner) -> LabeledState:
        """Return `state`: there is nothing to run."""
        return state

    def best(self, state: LabeledState) -> Candidate:
        return state.candidate

    def cost_plan(self, task: Task) -> CostPlan:
        return CostPlan(demos=min(self.k, task.train_rows))

    def compile(  # type: ignore[override]  # DSPy takes `sample` here
        self,
        student: Module,
        *,
        trainset: Sequence[Example],
        sample: bool | None = None,
    ) -> Module:
        """Give `student` its demos; see `Optimizer.compile`.

        Args:
            student: The program; not changed.
            trainset: The labelled examples.
            sample: Overrides the constructor's for this call.
        """
        if sample is None or sample == self.sample:
            return super().compile(student, trainset=trainset)
        return LabeledFewShot(self.k, sample, self.seed).compile(student, trainset=trainset)


def labeled_demos(
    predictors: Sequence[PredictorName], rows: int, *, k: int, sample: bool = True, seed: int = 0
) -> dict[PredictorName, list[Demo]]:
    """Choose rows of the training set as demos for each predictor.

    Args:
        predictors: The predictors' names, in program order.
        rows: The size of the training set.
        k: Demos for each predictor.
        sample: Draw them at random; otherwise take the first `k`.
        seed: Of the draw.
    """
    count = min(k, rows)
    rng = random.Random(seed)

    def choose() -> list[Demo]:
        indices = rng.sample(range(rows), count) if sample else range(count)
        return [RowDemo(index=index) for index in indices]

    return {name: choose() for name in predictors} if rows else {}
