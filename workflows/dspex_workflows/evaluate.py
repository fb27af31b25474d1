"""EvaluateProgram: score one candidate on one data set, a chunk an activity."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from dspex.execution.score import ExactSum
from dspex.temporal.contracts.optimize import (
    EVALUATE,
    EVALUATE_CHUNK,
    EvaluateChunk,
    EvaluateChunkResult,
    EvaluateJob,
    EvaluateResult,
)
from dspex_workflows.chunked_evaluation import ChunkedEvaluation


@workflow.defn(name=EVALUATE)
class EvaluateProgram(ChunkedEvaluation[EvaluateJob, EvaluateChunkResult]):
    """Its history stays small: an activity for some dozens of rows, and a new history when it grows long."""

    chunk_activity = EVALUATE_CHUNK
    chunk_result = EvaluateChunkResult

    @workflow.init
    def __init__(self, job: EvaluateJob) -> None:
        self.begin(job, done=job.next_row)

    @workflow.run
    async def run(self, job: EvaluateJob) -> EvaluateResult:
        if job.standalone and not job.next_row:
            await self.inspect()
            self.inspected = True
        self.say("")
        while self.job.next_row < self.job.rows:
            budget_revision = self.budget_revision
            await self._run_until_history_is_long()
            if self.out_of_budget and not job.standalone:
                return self.broken_off(self.job.calls_from_ledger)
            if self.out_of_budget:
                await self.budget_changed(budget_revision)
                self._begin_again()
            elif self.job.next_row < self.job.rows:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self.carried_on())
        await workflow.wait_condition(workflow.all_handlers_finished)
        return await self.finished(self.job.calls_from_ledger)

    async def _run_until_history_is_long(self) -> None:
        running: list[asyncio.Task[EvaluateChunkResult]] = []
        while running or self.may_start():
            await self.advance(running)

    def _request(self, start: int, stop: int) -> EvaluateChunk:
        return EvaluateChunk(**self._place(start, stop))

    def add(self, result: EvaluateChunkResult) -> None:
        if result.out_of_budget:
            self.out_of_budget = result.out_of_budget
            self.job.calls_from_ledger += result.calls_from_ledger
        else:
            self._add_scores(result)
            self.done += result.stop - result.start
        self.say("")

    def _begin_again(self) -> None:
        """Rows that are done cost nothing more: their outcomes are in the store."""
        self.out_of_budget = ""
        self.job.next_row = self.job.n_failed = self.done = 0
        self.total = ExactSum()
        self.say("")

    def say(self, message: str) -> None:
        self.message = message
        broken_off = f"**out of budget**: {self.out_of_budget}" if self.out_of_budget else ""
        state = broken_off or message or self._score_so_far()
        workflow.set_current_details(f"**{self.job.path}** of run `{self.job.run_id}`\n\n{state}")

    def _doing(self) -> str:
        return self.job.path
