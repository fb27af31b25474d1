"""BootstrapFewShot: demos from a teacher's own successful runs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, ClassVar

from dspex.errors import DSPyError, UsageError
from dspex.teleprompt.candidate import Candidate, Demo, PredictorName, RowDemo, TraceDemo
from dspex.teleprompt.cost_plan import CostPlan, PlannedRuns
from dspex.teleprompt.labeled import labeled_demos
from dspex.teleprompt.optimizer import Optimizer, OptimizerState
from dspex.teleprompt.runner_protocol import Runner, Task, Traced, TraceRequest

_WIDEST_WINDOW = 256
"""Examples tried at the same time, at the most."""


class BootstrapState(OptimizerState):
    """How far a bootstrap has come: the decided examples of the training set, in order, and their traces."""

    task: Task
    next_index: int = 0
    passed: list[int] = []
    demos: dict[PredictorName, list[Demo]] = {}
    attempts: int = 0
    speculative: int = 0
    """Examples tried ahead that were not needed in the end."""
    errors: int = 0


class BootstrapFailedError(DSPyError):
    """The teacher failed on so many examples (`max_errors`) that going on would be a waste."""


class BootstrapFewShot(Optimizer[BootstrapState]):
    """Fill a program's prompts with demos from a teacher's own successful runs.

    Runs the teacher over the training set and keeps the traces whose metric passes, first in order wins, until there
    are `max_bootstrapped_demos`; then adds labelled examples up to `max_labeled_demos`. Examples ahead of the one
    being decided are tried at the same time, and the outcome is that of trying them one after another: the demos are
    the very ones DSPy's `BootstrapFewShot` chooses. (Where one predictor fires several times for an example, DSPy picks
    by a hash of pickled objects; we pick by the example's place in the run, which any process can repeat.)

    Args:
        metric: ``metric(example, prediction, trace)``; a trace is kept when it is true, or at least `metric_threshold`.
            Without a metric every trace is kept.
        metric_threshold: The least metric value that passes.
        teacher_settings: Settings for the teacher's runs, e.g. ``{"lm": LM(...)}``.
        max_bootstrapped_demos: Traces to keep.
        max_labeled_demos: Demos in all, filled up with labelled examples; also the teacher's own demos.
        max_rounds: Attempts for each example; those after the first sample anew at temperature 1.0.
        max_errors: Failed attempts before giving up; by default `settings.max_errors`.
        seed: Of the choice of labelled examples.

    Source: Khattab et al., "DSPy: Compiling Declarative Language Model Calls" (2023), and DSPy 3.4.1's behaviour.
    """

    name: ClassVar[str] = "bootstrap"
    state_type: ClassVar[type[OptimizerState]] = BootstrapState

    def __init__(
        self,
        metric: Callable[..., Any] | None = None,
        metric_threshold: float | None = None,
        teacher_settings: dict[str, Any] | None = None,
        max_bootstrapped_demos: int = 4,
        max_labeled_demos: int = 16,
        max_rounds: int = 1,
        max_errors: int | None = None,
        seed: int = 0,
    ) -> None:
        _refuse_negative(max_bootstrapped_demos=max_bootstrapped_demos, max_labeled_demos=max_labeled_demos)
        if max_rounds < 1:
            raise UsageError(f"BootstrapFewShot(max_rounds={max_rounds}): every example needs at least one round.")
        if metric_threshold is not None and not math.isfinite(metric_threshold):
            raise UsageError(
                f"BootstrapFewShot(metric_threshold={metric_threshold}): no trace can be compared with that."
            )
        self.metric = metric
        self.metric_threshold = metric_threshold
        self.teacher_settings = teacher_settings or {}
        self.max_bootstrapped_demos = max_bootstrapped_demos
        self.max_labeled_demos = max_labeled_demos
        self.max_rounds = max_rounds
        self.max_errors = max_errors
        self.seed = seed

    def start(self, task: Task) -> BootstrapState:
        if task.student.compiled:
            raise UsageError(
                "BootstrapFewShot starts from an uncompiled student, and this one has been optimized already. "
                "Pass it as `teacher`, or start from `student.reset_copy()` with `_compiled = False`."
            )
        if task.teacher is not None and task.teacher.predictors != task.student.predictors:
            raise UsageError(
                "Student and teacher must have the same predictors. "
                f"Student: {', '.join(task.student.predictors)}. Teacher: {', '.join(task.teacher.predictors)}."
            )
        if task.teacher is not None and task.teacher.signatures != task.student.signatures:
            raise UsageError(
                "The predictors of student and teacher must have the same fields, or the teacher's demos do not fit. "
                f"Student: {'; '.join(task.student.signatures)}. Teacher: {'; '.join(task.teacher.signatures)}."
            )
        return self._judged(BootstrapState(task=task))

    async def step(self, state: BootstrapState, run: Runner) -> BootstrapState:
        """Run the teacher on the next examples, and decide them in order.

        Raises:
            BootstrapFailedError: the teacher failed too often.
        """
        window = self._window(state)
        request = TraceRequest(
            path=f"bootstrap/{window.start}",
            candidate=self._teacher(state.task),
            indices=list(window),
            rounds=self.max_rounds,
            threshold=self.metric_threshold or None,  # as in DSPy, 0 means "no threshold"
        )
        state = state.model_copy(deep=True)
        for traced in await run.trace(request):  # in index order, whatever order they came in
            if self._full(state):
                state.speculative += 1
            else:
                self._decide(state, traced, request.path)
        return self._judged(state)

    def best(self, state: BootstrapState) -> Candidate:
        """Return the student with the traces so far, filled up with labelled examples."""
        passed = set(state.passed)
        rest = [index for index in range(state.task.train_rows) if index not in passed]
        random.Random(self.seed).shuffle(rest)
        rng = random.Random(self.seed)
        demos: dict[PredictorName, list[Demo]] = {}
        for name in state.task.student.predictors:
            bootstrapped = state.demos.get(name, [])[: self.max_bootstrapped_demos]
            remaining = max(0, min(self.max_labeled_demos - len(bootstrapped), len(rest)))
            demos[name] = [*bootstrapped, *(RowDemo(index=index) for index in rng.sample(rest, remaining))]
        return Candidate(fresh=True, demos=demos, compiled=True)

    def cost_plan(self, task: Task) -> CostPlan:
        tried = PlannedRuns(
            "bootstrap",
            "train",
            rows=task.train_rows if self.max_bootstrapped_demos else 0,
            base="student" if task.teacher is None else "teacher",
            rounds=self.max_rounds,
            demos=min(self.max_labeled_demos, task.train_rows),
        )
        traces = min(self.max_bootstrapped_demos, task.train_rows)
        return CostPlan([tried], demos=max(0, min(self.max_labeled_demos, task.train_rows) - traces), traces=traces)

    def _teacher(self, task: Task) -> Candidate:
        base = "student" if task.teacher is None else "teacher"
        facts = task.teacher or task.student
        if facts.compiled or not self.max_labeled_demos:
            return Candidate(base=base)
        demos = labeled_demos(facts.predictors, task.train_rows, k=self.max_labeled_demos, seed=self.seed)
        return Candidate(base=base, fresh=True, demos=demos)

    def _window(self, state: BootstrapState) -> range:
        """The next examples to try at once: as many as will probably do, and a few more."""
        missing = self.max_bootstrapped_demos - len(state.passed)
        pass_rate = (len(state.passed) + 2) / (state.next_index + 4)
        width = min(math.ceil(1.25 * missing / pass_rate), _WIDEST_WINDOW)
        return range(state.next_index, min(state.next_index + width, state.task.train_rows))

    def _decide(self, state: BootstrapState, traced: Traced, path: str) -> None:
        state.next_index = traced.index + 1
        state.attempts += traced.attempts
        state.errors += len(traced.errors)
        limit = state.task.max_errors if self.max_errors is None else self.max_errors
        if traced.errors and state.errors >= limit:
            raise BootstrapFailedError(
                f"The teacher failed {state.errors} times by example {traced.index} of the training set, "
                f"last with {traced.errors[-1]}; max_errors is {limit}."
            )
        if not traced.passed:
            return
        state.passed.append(traced.index)
        for name in traced.predictors:
            state.demos.setdefault(name, []).append(TraceDemo(path=path, index=traced.index))

    def _judged(self, state: BootstrapState) -> BootstrapState:
        state.done = self._full(state) or state.next_index >= state.task.train_rows
        state.note = f"{len(state.passed)} of {self.max_bootstrapped_demos} demos from {state.next_index} examples"
        return state

    def _full(self, state: BootstrapState) -> bool:
        return len(state.passed) >= self.max_bootstrapped_demos


def _refuse_negative(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 0:
            raise UsageError(f"BootstrapFewShot({name}={number}): a number of demos cannot be negative.")
