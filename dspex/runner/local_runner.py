"""LocalRunner: a run in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dspex.clients.calls.scope import Usage
from dspex.execution.pool import run_concurrently
from dspex.execution.score import ExactSum
from dspex.observability import span
from dspex.runner.examples import ExampleStep, Metric, evaluate_example, trace_example, traced
from dspex.runner.materialize import facts, materialize
from dspex.store.records.outcome import Failure, Outcome
from dspex.teleprompt.candidate import Candidate, DataName, PredictorName
from dspex.teleprompt.runner_protocol import Evaluation, Task, Traced, TraceRequest

if TYPE_CHECKING:
    from dspex.primitives import Example, Module

Work = Callable[["Module", int, "Example", ExampleStep], Any]


@dataclass
class LocalRunner:
    """Runs the candidates of one optimization in this process, on the objects that the caller holds. A `Runner`.

    Args:
        programs: ``{"student": ..., "teacher": ...}``.
        data: The examples of each role.
        metric: Scores a prediction; None where the optimizer needs none.
        teacher_settings: Settings for traced runs, such as the teacher's LM.
        concurrency: Examples in flight at once.
        failure_score: The score of an example on which the program fails.
        run_id: The run that pays for LM calls; None for no run.
        on_outcome: Called with the step's path, its size and each outcome as it comes.
        usage: The LM calls so far.
        failures: The first thousand examples on which the program failed.
    """

    programs: Mapping[str, Module]
    data: Mapping[DataName, Sequence[Example]]
    metric: Metric | None = None
    teacher_settings: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = 64
    failure_score: float = 0.0
    run_id: str | None = None
    on_outcome: Callable[[str, int, Outcome], None] | None = None
    usage: Usage = field(default_factory=Usage)
    failures: list[Failure] = field(default_factory=list)
    _demos: dict[tuple[str, int], Mapping[PredictorName, dict[str, Any]]] = field(default_factory=dict)

    _MOST_FAILURES_KEPT = 1000

    def task(self, *, max_errors: int) -> Task:
        """The problem in numbers, for `Optimizer.start`."""
        teacher = self.programs.get("teacher")
        return Task(
            student=facts(self.programs["student"]),
            teacher=facts(teacher) if teacher is not None else None,
            train_rows=len(self.data["train"]),
            val_rows=len(self.data.get("val", ())),
            max_errors=max_errors,
        )

    async def evaluate(self, candidate: Candidate, data: DataName, *, path: str) -> Evaluation:
        """See `Runner.evaluate`."""
        program = await materialize(candidate, self.programs, self)
        step = ExampleStep(run_id=self.run_id, path=path, metric=self.metric)
        rows = len(self.data[data])
        total, failed = ExactSum(), 0
        with span("evaluate", path=path, rows=rows):
            async for outcome in self._run(evaluate_example, program, data, range(rows), step):
                failed += outcome.score is None
                total.add(self.failure_score if outcome.score is None else outcome.score)
        return Evaluation(path=path, data=data, rows=rows, score=total.percent(rows), n_failed=failed)

    async def trace(self, request: TraceRequest) -> Sequence[Traced]:
        """See `Runner.trace`."""
        teacher = await materialize(request.candidate, self.programs, self)
        step = ExampleStep(
            run_id=self.run_id,
            path=request.path,
            metric=self.metric,
            rounds=request.rounds,
            threshold=request.threshold,
            settings=self.teacher_settings,
        )
        outcomes: dict[int, Outcome] = {}
        with span("trace", path=request.path, rows=len(request.indices)):
            async for outcome in self._run(trace_example, teacher, request.data, request.indices, step):
                outcomes[outcome.index] = outcome
                if outcome.passed:
                    self._demos[request.path, outcome.index] = outcome.demos or {}
        return [traced(outcomes[index]) for index in request.indices]

    async def rows(self, data: DataName, indices: Sequence[int]) -> Sequence[Example]:
        """See `DemoSource.rows`."""
        return [self.data[data][index] for index in indices]

    async def traced(self, path: str, index: int) -> Mapping[PredictorName, dict[str, Any]]:
        """See `DemoSource.traced`."""
        return self._demos[path, index]

    async def _run(
        self, work: Work, program: Module, data: DataName, indices: Sequence[int], step: ExampleStep
    ) -> AsyncIterator[Outcome]:
        examples = self.data[data]
        jobs: Iterable[Any] = ((lambda i=index: work(program, i, examples[i], step)) for index in indices)
        async with aclosing(run_concurrently(jobs, self.concurrency)) as results:
            async for outcome, usage in results:
                self.usage.add(usage)
                self._note(step.path, len(indices), outcome)
                yield outcome

    def _note(self, path: str, size: int, outcome: Outcome) -> None:
        if outcome.error is not None and len(self.failures) < self._MOST_FAILURES_KEPT:
            self.failures.append(Failure(path, outcome.index, outcome.error))
        if self.on_outcome is not None:
            self.on_outcome(path, size, outcome)
