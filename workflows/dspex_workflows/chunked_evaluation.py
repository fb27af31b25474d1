"""What evaluations have in common: rows in chunks, an exact sum of scores, a budget that may be raised meanwhile."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from temporalio import workflow

from dspex.clients.cost.budget import Budget
from dspex.execution.score import ExactSum
from dspex.temporal.contracts.optimize import (
    FINISH_RUN,
    EvaluateChunk,
    EvaluateChunkResult,
    EvaluateJob,
    EvaluateResult,
    FinishResult,
    FinishTask,
    InspectTask,
    Progress,
)
from dspex_workflows.budgets import change_budget
from dspex_workflows.chunks import adapted, next_size
from dspex_workflows.policies import CHUNK
from dspex_workflows.preparation import inspect

J = TypeVar("J", bound=EvaluateJob)
R = TypeVar("R", bound=EvaluateChunkResult)


class ChunkedEvaluation(ABC, Generic[J, R]):
    """The state of an evaluation, its query and its update. Workflows inherit it, and call `begin` first."""

    job: J
    chunk_activity: str
    chunk_result: type[R]

    def begin(self, job: J, done: int) -> None:
        """Take over the job, of which `done` rows are done."""
        self.job = job.model_copy(
            update={"first_execution_id": job.first_execution_id or workflow.info().first_execution_run_id}
        )
        self.total = ExactSum.parse(job.total)
        self.size = job.chunk_rows or job.chunking.first
        self.done = done
        self.message = ""
        self.out_of_budget = ""
        self.budget_revision = 0
        self.inspected = not job.standalone or job.next_row > 0

    @workflow.query
    def progress(self) -> Progress:
        return Progress(
            run_id=self.job.run_id,
            phase="out of budget" if self.out_of_budget else "waiting" if self.message else "evaluating",
            message=self.out_of_budget or self.message or self._doing(),
            done=self.done,
            total=self.job.rows,
            best_score=self.total.percent(self.done) if self.done else None,
            n_failed=self.job.n_failed,
        )

    @workflow.update
    async def set_budget(self, budget: Budget) -> str:
        """Change what the run may spend in all: its limits that are given. A run that has spent it goes on."""
        await workflow.wait_condition(lambda: self.inspected)  # its first budget is set by then
        spending = await change_budget(self.job.run_id, budget)
        self.budget_revision += 1
        return spending

    async def budget_changed(self, budget_revision: int) -> None:
        """Wait until the budget has been set anew more often than that."""
        await workflow.wait_condition(lambda: self.budget_revision > budget_revision)

    async def inspect(self) -> None:
        """Have a worker look at a run that a client has started, before anything is paid for."""
        job = self.job
        await inspect(InspectTask(run_id=job.run_id, spec=job.spec, budget=job.budget), self.say)

    def may_start(self) -> bool:
        """Whether another chunk may be started."""
        return self.job.next_row < self.job.rows and not self.out_of_budget and not history_is_long()

    async def advance(self, running: list[asyncio.Task[R]]) -> None:
        """Start as many chunks as may be in flight, and wait until one of those `running` is done."""
        while len(running) < self.job.chunking.in_flight and self.may_start():
            running.append(self._start_next())
        done, _ = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for chunk in done:
            running.remove(chunk)
            self.add(chunk.result())

    def _start_next(self) -> asyncio.Task[R]:
        start = self.job.next_row
        stop = start + next_size(self.size, self.job.rows - start, self.job.chunking)
        self.job.next_row = stop
        return asyncio.create_task(self._chunk(start, stop))

    async def _chunk(self, start: int, stop: int) -> R:
        job = self.job
        summary = f"{self._doing()}: rows {start}-{stop - 1} of {job.rows}"
        result: R = await workflow.execute_activity(
            self.chunk_activity, self._request(start, stop), result_type=self.chunk_result, summary=summary, **CHUNK
        )
        if (result.path, result.start, result.stop) != (job.path, start, stop):
            raise RuntimeError(f"The answer to rows {start}-{stop} of {job.path} is for {result.path} {result.start}")
        return result

    def _place(self, start: int, stop: int) -> dict[str, Any]:
        """What every chunk's request says."""
        job = self.job
        return {
            "run_id": job.run_id,
            "spec": job.spec,
            "candidate": job.candidate,
            "data": job.data,
            "path": job.path,
            "start": start,
            "stop": stop,
            "first_execution_id": job.first_execution_id,
        }

    def _add_scores(self, result: R) -> None:
        self.total.merge(ExactSum.parse(result.total))
        self.job.n_failed += result.n_failed
        self.job.calls_from_ledger += result.calls_from_ledger
        self.size = adapted(self.size, result, self.job.chunking)

    def carried_on(self) -> J:
        """The job of the next history."""
        return self.job.model_copy(update={"total": str(self.total), "chunk_rows": self.size})

    async def finished(self, calls_from_ledger: int) -> EvaluateResult:
        """The result; with the bill, if a client has started the run."""
        job = self.job
        result = EvaluateResult(
            path=job.path,
            rows=job.rows,
            score=self.total.percent(job.rows),
            n_failed=job.n_failed,
            calls_from_ledger=calls_from_ledger,
        )
        if job.standalone:
            finish = FinishTask(
                run_id=job.run_id,
                spec=job.spec,
                candidate=job.candidate,
                first_execution_id=job.first_execution_id,
                score=result.score,
                n_failed=job.n_failed,
                calls_from_ledger=calls_from_ledger,
                kind="evaluate",
            )
            finished: FinishResult = await workflow.execute_activity(
                FINISH_RUN, finish, result_type=FinishResult, summary="add up the bill", **CHUNK
            )
            result.bill = finished.bill
        return result

    def broken_off(self, calls_from_ledger: int) -> EvaluateResult:
        """What an evaluation of a run comes to that has spent the run's budget."""
        return EvaluateResult(
            path=self.job.path,
            rows=self.job.rows,
            score=0.0,
            calls_from_ledger=calls_from_ledger,
            out_of_budget=self.out_of_budget,
        )

    @abstractmethod
    def add(self, result: R) -> None:
        """Add a chunk's result."""

    @abstractmethod
    def say(self, message: str) -> None:
        """Show in the Web UI how it goes; with a `message`, why it waits."""

    @abstractmethod
    def _doing(self) -> str:
        """What is being run, in a few words."""

    @abstractmethod
    def _request(self, start: int, stop: int) -> EvaluateChunk: ...

    def _score_so_far(self) -> str:
        score = f" · score so far **{self.total.percent(self.done)}**" if self.done else ""
        failed = f" · {self.job.n_failed} failed" if self.job.n_failed else ""
        return f"{self.done} of {self.job.rows} rows{score}{failed}"


def history_is_long() -> bool:
    """Whether the workflow should continue as new."""
    return workflow.info().is_continue_as_new_suggested()
