"""What every optimizer is: a serializable state and one step.

``state = optimizer.start(task)``; while not ``state.done``: ``state = await optimizer.step(state, runner)``;
``optimizer.best(state)`` is the candidate to keep, at any time. A step is pure but for what it asks of the runner, so
the same optimizer runs in a notebook, in a durable workflow, and in that workflow's replay.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from dspex.backend import backend
from dspex.bridge import wait_for
from dspex.errors import UsageError
from dspex.teleprompt.candidate import Candidate
from dspex.teleprompt.cost_plan import CostPlan
from dspex.teleprompt.runner_protocol import Runner, Task
from dspex.teleprompt.teleprompt import Teleprompter

if TYPE_CHECKING:
    from dspex.clients.cost.budget import Budget
    from dspex.primitives import Example, Module


class OptimizerState(BaseModel):
    """How far an optimizer has come. Small: references and scores, no examples."""

    done: bool = False
    note: str = ""
    """One line for people who watch: what has been found so far."""


S = TypeVar("S", bound=OptimizerState)


class Optimizer(Teleprompter, ABC, Generic[S]):
    """Base of the optimizers ("teleprompters") whose runs are durable."""

    name: ClassVar[str]
    """The optimizer's name on the command line."""
    state_type: ClassVar[type[OptimizerState]]
    metric: Callable[..., Any] | None = None
    teacher_settings: dict[str, Any]

    @abstractmethod
    def start(self, task: Task) -> S:
        """Return the state before the first step.

        Raises:
            UsageError: the task cannot be solved with these arguments. Nothing has been run yet.
        """

    @abstractmethod
    async def step(self, state: S, run: Runner) -> S:
        """Take one step.

        Called again after a crash with the same state, it must ask the runner for the same things.

        Args:
            state: The state after the last step; not changed.
            run: Runs programs for the optimizer.

        Returns:
            The state after this step.
        """

    @abstractmethod
    def best(self, state: S) -> Candidate:
        """Return the best candidate so far."""

    def cost_plan(self, task: Task) -> CostPlan:
        """Return the most program runs that the optimizer will ask for, from which costs are estimated.

        Raises:
            UsageError: this optimizer cannot say.
        """
        raise UsageError(f"What {type(self).__name__} will ask for is not known before it runs. Give it a budget.")

    def estimate(
        self,
        student: Module,
        *,
        trainset: Sequence[Example],
        teacher: Module | None = None,
        valset: Sequence[Example] | None = None,
        score: bool = False,
    ) -> Any:
        """Compute what `compile` with these arguments would cost at most. Makes no LM call: prompts are only rendered.

        Args:
            student: As in `compile`.
            trainset: As in `compile`.
            teacher: As in `compile`.
            valset: As in `compile`.
            score: Whether the program is also scored on the `valset` before and after, as ``dspex optimize`` does.

        Returns:
            A `dspex.runner.estimate.Estimate`: calls, tokens and dollars, by step and in all.

        Raises:
            UsageError: bad input, or this optimizer cannot say what it will ask for.
        """
        return wait_for(
            backend().estimate(self, student, trainset=trainset, teacher=teacher, valset=valset, score=score)
        )

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values, without the metric and other code, which workers import by
        name.
        """
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in names if name not in ("metric", "teacher_settings")}

    def compile(  # type: ignore[override]  # no argument is taken and ignored
        self,
        student: Module,
        *,
        trainset: Sequence[Example],
        teacher: Module | None = None,
        valset: Sequence[Example] | None = None,
        budget: Budget | None = None,
    ) -> Module:
        """Optimize `student` and return the optimized program; `student` itself is not changed.

        Runs in this process or, after ``dspex.configure(temporal=...)``, as a durable run.

        Args:
            student: The program to optimize.
            trainset: Examples with their input fields marked (`Example.with_inputs`).
            teacher: Another program of the same structure to learn from.
            valset: Examples to compare candidates on, for optimizers that compare any.
            budget: What the run may spend at most. When it is used up, the best program so far is returned.

        Raises:
            UsageError: bad input; no LM call was made.
            LMError: the provider could not be reached for longer than the run is patient.
        """
        given: dict[str, Any] = {"trainset": trainset, "teacher": teacher, "valset": valset, "budget": budget}
        return wait_for(backend().compile(self, student, **given))
