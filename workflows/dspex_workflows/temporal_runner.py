"""TemporalRunner: a run's evaluations are child workflows, its traces activities, on whatever hosts poll the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from temporalio import workflow

from dspex.teleprompt.candidate import Candidate, DataName
from dspex.teleprompt.runner_protocol import Evaluation, Task, Traced, TraceRequest
from dspex.temporal.contracts.optimize import (
    EVALUATE,
    TRACE_CHUNK,
    EvaluateJob,
    EvaluateResult,
    OptimizeJob,
    TraceChunk,
    TraceChunkResult,
)
from dspex_workflows.policies import CHUNK, TASK_TIMEOUT

_TRACES_A_CHUNK = 8

R = TypeVar("R", EvaluateResult, TraceChunkResult)


class BudgetGate(Protocol):
    """Whether a run may go on paying."""

    @property
    def budget_revision(self) -> int:
        """How often its budget has been set anew."""

    async def budget_changed(self, message: str, budget_revision: int) -> None:
        """Nothing more can be paid for, as `message` says: wait until it has been set anew more often than that."""


class TemporalRunner:
    """The `Runner` of a durable run.

    Args:
        job: The run.
        task: Its problem in numbers.
        note: Called with what is in progress and, for an evaluation, the workflow id of that.
        gate: Asked when the budget is spent.
    """

    def __init__(self, job: OptimizeJob, task: Task, note: Callable[[str, str | None], None], gate: BudgetGate) -> None:
        self._job = job
        self._task = task
        self._note = note
        self._gate = gate
        self.calls_from_ledger = 0
        self.n_failed = 0

    async def evaluate(self, candidate: Candidate, data: DataName, *, path: str) -> Evaluation:
        rows = self._task.val_rows if data == "val" else self._task.train_rows
        child_id = f"{self._job.run_id}/{path}"
        job = EvaluateJob(
            run_id=self._job.run_id,
            spec=self._job.spec,
            candidate=candidate,
            data=data,
            rows=rows,
            path=path,
            chunking=self._job.chunking,
            first_execution_id=self._job.first_execution_id,
        )

        async def evaluated() -> EvaluateResult:
            self._note(f"evaluating: {path}, {rows} rows", child_id)
            result: EvaluateResult = await workflow.execute_child_workflow(
                EVALUATE,
                job,
                id=child_id,
                result_type=EvaluateResult,
                task_timeout=TASK_TIMEOUT,
                static_summary=f"{path}: {rows} rows",
            )
            if result.path != path:
                raise RuntimeError(f"The answer to {path} is for {result.path}")
            return result

        result = await self._paid(evaluated)
        self.n_failed += result.n_failed
        self._note("", None)
        return Evaluation(path=path, data=data, rows=rows, score=result.score, n_failed=result.n_failed)

    async def trace(self, request: TraceRequest) -> Sequence[Traced]:
        indices = request.indices
        self._note(f"tracing: {request.path}, {len(indices)} examples", None)
        parts = [indices[at : at + _TRACES_A_CHUNK] for at in range(0, len(indices), _TRACES_A_CHUNK)]
        results = await asyncio.gather(*(self._trace(request.model_copy(update={"indices": part})) for part in parts))
        return [outcome for result in results for outcome in result]

    async def _trace(self, request: TraceRequest) -> list[Traced]:
        job = self._job
        summary = f"{request.path}: examples {request.indices[0]}-{request.indices[-1]}"
        chunk = TraceChunk(run_id=job.run_id, spec=job.spec, request=request, first_execution_id=job.first_execution_id)

        async def traced() -> TraceChunkResult:
            result: TraceChunkResult = await workflow.execute_activity(
                TRACE_CHUNK, chunk, result_type=TraceChunkResult, summary=summary, **CHUNK
            )
            if (result.path, result.indices) != (request.path, request.indices):
                asked, given = f"{request.path} {request.indices}", f"{result.path} {result.indices}"
                raise RuntimeError(f"The answer to {asked} is for {given}")
            return result

        return (await self._paid(traced)).outcomes

    async def _paid(self, work: Callable[[], Awaitable[R]]) -> R:
        """Do `work`; again, whenever the budget was spent before it was done, and has been raised since."""
        while True:
            budget_revision = self._gate.budget_revision
            result = await work()
            self.calls_from_ledger += result.calls_from_ledger
            if not result.out_of_budget:
                return result
            await self._gate.budget_changed(result.out_of_budget, budget_revision)
