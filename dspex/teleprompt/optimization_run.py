"""An optimization run from its first evaluation to its last: which step comes next.

Pure, like the optimizers: the local and the durable run both call `advance` until the state says that it is done.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from dspex.teleprompt.candidate import Candidate
from dspex.teleprompt.optimizer import Optimizer
from dspex.teleprompt.runner_protocol import Evaluation, Runner, Task

Stopped = bool | Literal["budget"]
"""Whether a run ended early: by a user's order (True), or because its budget was used up (``"budget"``)."""


class Phase(StrEnum):
    """What a run does just now."""

    BASELINE = "baseline"
    OPTIMIZING = "optimizing"
    FINAL = "final"
    DONE = "done"


class RunState(BaseModel):
    """How far a run has come. What continue-as-new carries and a query returns."""

    phase: Phase
    steps: int = 0
    optimizer: dict[str, Any]
    """The optimizer's own state, as JSON."""
    note: str = ""
    baseline: Evaluation | None = None
    final: Evaluation | None = None
    candidate: Candidate | None = None
    stopped: Stopped = False

    @property
    def best_score(self) -> float | None:
        """The best score measured so far."""
        scores = [evaluation.score for evaluation in (self.baseline, self.final) if evaluation is not None]
        return max(scores, default=None)

    @property
    def runs_programs(self) -> bool:
        """Whether anything is still to be run: some optimizers only choose among labelled examples."""
        return self.phase in (Phase.BASELINE, Phase.FINAL) or (
            self.phase is Phase.OPTIMIZING and not self.optimizer["done"]
        )


def begin(optimizer: Optimizer[Any], task: Task, *, score: bool = True) -> RunState:
    """Return the state of a run before anything has been run.

    Args:
        optimizer: The optimizer.
        task: The program and the sizes of the data.
        score: Whether to score the program before and after, where there is a validation set.

    Raises:
        UsageError: the optimizer refuses the task.
    """
    state = optimizer.start(task)
    phase = Phase.BASELINE if score and task.val_rows else Phase.OPTIMIZING
    return RunState(phase=phase, optimizer=state.model_dump(mode="json"), note=state.note)


async def advance(state: RunState, optimizer: Optimizer[Any], run: Runner) -> RunState:
    """Take the next step of a run.

    Args:
        state: The state after the last step; not changed.
        optimizer: The optimizer.
        run: Runs programs.

    Returns:
        The state after this step.
    """
    match state.phase:
        case Phase.BASELINE:
            baseline = await run.evaluate(Candidate(), "val", path="baseline")
            return state.model_copy(update={"baseline": baseline, "phase": Phase.OPTIMIZING})
        case Phase.OPTIMIZING:
            return await _optimize(state, optimizer, run)
        case Phase.FINAL:
            assert state.candidate is not None
            final = await run.evaluate(state.candidate, "val", path="final")
            return state.model_copy(update={"final": final, "phase": Phase.DONE})
        case Phase.DONE:
            return state


def stop(state: RunState, optimizer: Optimizer[Any], why: Stopped = True) -> RunState:
    """End a run with the best candidate so far, without evaluating it.

    Args:
        state: The run's state; not changed.
        optimizer: The optimizer.
        why: True for a user's order, ``"budget"`` for a budget that is used up.
    """
    if state.phase is Phase.DONE:
        return state
    best = state.candidate or optimizer.best(_own_state(state, optimizer))
    return state.model_copy(update={"candidate": best, "phase": Phase.DONE, "stopped": why})


async def _optimize(state: RunState, optimizer: Optimizer[Any], run: Runner) -> RunState:
    own = _own_state(state, optimizer)
    if not own.done:
        own = await optimizer.step(own, run)
        state = state.model_copy(
            update={"optimizer": own.model_dump(mode="json"), "note": own.note, "steps": state.steps + 1}
        )
    if not own.done:
        return state
    following = Phase.FINAL if state.baseline is not None else Phase.DONE
    return state.model_copy(update={"candidate": optimizer.best(own), "phase": following})


def _own_state(state: RunState, optimizer: Optimizer[Any]) -> Any:
    return optimizer.state_type.model_validate(state.optimizer)
