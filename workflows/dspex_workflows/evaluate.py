"""EvaluateProgram: score one candidate on one data set, a chunk an activity."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from dspex.clients.cost.budget import Budget
from dspex.execution.score import ExactSum
from dspex.temporal.contracts.optimize import (
    EVALUATE,
    EVALUATE_CHUNK,
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

Chunk = asyncio.Task[EvaluateChunkResult]


@workflow.defn(name=EVALUATE)
class EvaluateProgram:
    """Its history stays small: an activity for some dozens of rows, and a new history when it grows long."""

    @workflow.init
    def __init__(self, job: EvaluateJob) -> None:
        self.job = job.model_copy(
            update={"first_execution_id": job.first_execution_id or workflow.info().first_execution_run_id}
        )
        self.total = ExactSum.parse(job.total)
        self.size = job.chunk_rows or job.chunking.first
        self.done = job.next_row
        self.message = ""
        self.spent = ""
        self.budget_revision = 0
        self.inspected = not job.standalone or job.next_row > 0

    @workflow.query
    def progress(self) -> Progress:
        return Progress(
            run_id=self.job.run_id,
            phase="out of budget" if self.spent else "waiting" if self.message else "evaluating",
            message=self.spent or self.message or self.job.path,
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

    @workflow.run
    async def run(self, job: EvaluateJob) -> EvaluateResult:
        if job.standalone and not job.next_row:
            await inspect(InspectTask(run_id=job.run_id, spec=job.spec, budget=job.budget), self._say)
            self.inspected = True
        self._say("")
        while self.job.next_row < self.job.rows:
            budget_revision = self.budget_revision
            await self._run_until_history_is_long()
            if self.spent and not job.standalone:
                return self._broken_off()
            if self.spent:
                await self.budget_changed(budget_revision)
                self._begin_again()
            elif self.job.next_row < self.job.rows:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._carried_on())
        await workflow.wait_condition(workflow.all_handlers_finished)
        return await self._result()

    async def _run_until_history_is_long(self) -> None:
        running: list[Chunk] = []
        while running or self._may_start():
            while len(running) < self.job.chunking.in_flight and self._may_start():
                running.append(self._start_next())
            done, _ = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for chunk in done:
                running.remove(chunk)
                self._add(chunk.result())

    def _may_start(self) -> bool:
        return self.job.next_row < self.job.rows and not self.spent and not _history_is_long()

    def _start_next(self) -> Chunk:
        start = self.job.next_row
        stop = start + next_size(self.size, self.job.rows - start, self.job.chunking)
        self.job.next_row = stop
        return asyncio.create_task(self._chunk(start, stop))

    async def _chunk(self, start: int, stop: int) -> EvaluateChunkResult:
        job = self.job
        chunk = EvaluateChunk(
            run_id=job.run_id,
            spec=job.spec,
            candidate=job.candidate,
            data=job.data,
            path=job.path,
            start=start,
            stop=stop,
            first_execution_id=job.first_execution_id,
        )
        summary = f"{job.path}: rows {start}-{stop - 1} of {job.rows}"
        result: EvaluateChunkResult = await workflow.execute_activity(
            EVALUATE_CHUNK, chunk, result_type=EvaluateChunkResult, summary=summary, **CHUNK
        )
        if (result.path, result.start, result.stop) != (job.path, start, stop):
            raise RuntimeError(f"The answer to rows {start}-{stop} of {job.path} is for {result.path} {result.start}")
        return result

    def _add(self, result: EvaluateChunkResult) -> None:
        if result.out_of_budget:
            self.spent = result.out_of_budget
            self.job.calls_from_ledger += result.calls_from_ledger
            self._say("")
            return
        self.total.merge(ExactSum.parse(result.total))
        self.done += result.stop - result.start
        self.job.n_failed += result.n_failed
        self.job.calls_from_ledger += result.calls_from_ledger
        self.size = adapted(self.size, result, self.job.chunking)
        self._say("")

    async def budget_changed(self, budget_revision: int) -> None:
        """Wait until the budget has been set anew more often than that."""
        await workflow.wait_condition(lambda: self.budget_revision > budget_revision)

    def _begin_again(self) -> None:
        """The rows that are done cost nothing more: what became of them is in the store."""
        self.spent = ""
        self.job.next_row = self.job.n_failed = self.done = 0
        self.total = ExactSum()
        self._say("")

    def _broken_off(self) -> EvaluateResult:
        return EvaluateResult(
            path=self.job.path,
            rows=self.job.rows,
            score=0.0,
            calls_from_ledger=self.job.calls_from_ledger,
            out_of_budget=self.spent,
        )

    def _carried_on(self) -> EvaluateJob:
        return self.job.model_copy(update={"total": str(self.total), "chunk_rows": self.size})

    def _say(self, message: str) -> None:
        self.message = message
        score = f" · score so far **{self.total.percent(self.done)}**" if self.done else ""
        failed = f" · {self.job.n_failed} failed" if self.job.n_failed else ""
        broken_off = f"**out of budget**: {self.spent}" if self.spent else ""
        state = broken_off or message or f"{self.done} of {self.job.rows} rows{score}{failed}"
        workflow.set_current_details(f"**{self.job.path}** of run `{self.job.run_id}`\n\n{state}")

    async def _result(self) -> EvaluateResult:
        job = self.job
        result = EvaluateResult(
            path=job.path,
            rows=job.rows,
            score=self.total.percent(job.rows),
            n_failed=job.n_failed,
            calls_from_ledger=job.calls_from_ledger,
        )
        if job.standalone:
            finish = FinishTask(
                run_id=job.run_id,
                spec=job.spec,
                candidate=job.candidate,
                first_execution_id=job.first_execution_id,
                score=result.score,
                n_failed=job.n_failed,
                calls_from_ledger=job.calls_from_ledger,
                kind="evaluate",
            )
            finished: FinishResult = await workflow.execute_activity(
                FINISH_RUN, finish, result_type=FinishResult, summary="add up the bill", **CHUNK
            )
            result.bill = finished.bill
        return result


def _history_is_long() -> bool:
    return workflow.info().is_continue_as_new_suggested()
