"""EvaluateByBatch: score one candidate on one data set through the provider's batch API.

In waves: all rows are run as far as the ledger's answers take them, the calls that are missing are submitted, and when
the provider is done, the rows are run again. In between nothing is held but this workflow's timer.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from dspex.clients.cost.budget import Budget
from dspex.execution.score import ExactSum
from dspex.temporal.contracts.batch import (
    CANCEL_BATCHES,
    COLLECT_CHUNK,
    EVALUATE_BY_BATCH,
    INSPECT_BATCHES,
    TEND_BATCHES,
    BatchReport,
    BatchTask,
    CollectChunk,
    CollectChunkResult,
    EvaluateByBatchJob,
)
from dspex.temporal.contracts.optimize import (
    FINISH_RUN,
    SETUP_ERROR,
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

Chunk = asyncio.Task[CollectChunkResult]

_NEVER_THE_SAME = (
    "The program asks something else each time it is run (does a prompt hold the time, or something random?), so what "
    "batches answer is never asked for again. Run it without batch=True."
)


@workflow.defn(name=EVALUATE_BY_BATCH)
class EvaluateByBatch:
    """A wave is a few activities and a timer; its rows' outcomes and answers are in the store."""

    @workflow.init
    def __init__(self, job: EvaluateByBatchJob) -> None:
        self.job = job.model_copy(
            update={"first_execution_id": job.first_execution_id or workflow.info().first_execution_run_id}
        )
        self.owner = f"{self.job.run_id}@{self.job.first_execution_id}/{self.job.path}"
        self.total = ExactSum.parse(job.total)
        self.size = job.chunk_rows or job.chunking.first
        self.done = job.next_row - job.waiting
        self.running: list[Chunk] = []
        self.message = ""
        self.spent = ""
        self.budget_revision = 0
        self.inspected = not job.standalone or not self._is_first()

    @workflow.query
    def progress(self) -> Progress:
        return Progress(
            run_id=self.job.run_id,
            phase="out of budget" if self.spent else "waiting" if self.message else "evaluating",
            message=self.spent or self.message or f"{self.job.path}, wave {self.job.wave}",
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
    async def run(self, job: EvaluateByBatchJob) -> EvaluateResult:
        try:
            return await self._evaluate()
        except BaseException as error:
            if is_cancelled_exception(error):
                await self._cancel()
            raise

    async def _evaluate(self) -> EvaluateResult:
        if self._is_first():
            await self._inspect()
        while True:
            budget_revision = self.budget_revision
            if not self.job.tending:
                await self._run_rows()
            if not self.job.waiting and not self.spent:
                await workflow.wait_condition(workflow.all_handlers_finished)
                return await self._result()
            await self._tend()
            if self.spent and not self.job.standalone:
                return self._broken_off()
            if self.spent:
                await self.budget_changed(budget_revision)
            elif self.job.answered == self.job.answered_before:
                # Another run has taken the calls over, or will have them answered: give it the time.
                await workflow.sleep(self.job.options.first_look, summary="another run asks the same")
            self._begin_wave()

    async def budget_changed(self, before: int) -> None:
        """Wait until the budget has been set more often than `before`."""
        await workflow.wait_condition(lambda: self.budget_revision > before)

    def _is_first(self) -> bool:
        """Whether nothing has been run yet."""
        return self.job.wave == 1 and not self.job.tending and not self.job.next_row

    async def _inspect(self) -> None:
        job = self.job
        if job.standalone:
            await inspect(InspectTask(run_id=job.run_id, spec=job.spec, budget=job.budget), self._say)
        await self._batches(INSPECT_BATCHES, "ask whether the provider has a batch API")
        self.inspected = True

    # -- the rows of a wave

    async def _run_rows(self) -> None:
        """Run all rows as far as they come."""
        self._say("")
        while self.running or (self.job.next_row < self.job.rows and not self.spent):
            if _history_is_long() and not self.running:
                await self._continue_as_new()
            while len(self.running) < self.job.chunking.in_flight and self._may_start():
                self.running.append(self._start_next())
            done, _ = await workflow.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
            for chunk in done:
                self.running.remove(chunk)
                self._add(chunk.result())
        self._refuse_what_is_never_the_same()

    def _may_start(self) -> bool:
        return self.job.next_row < self.job.rows and not self.spent and not _history_is_long()

    def _start_next(self) -> Chunk:
        start = self.job.next_row
        stop = start + next_size(self.size, self.job.rows - start, self.job.chunking)
        self.job.next_row = stop
        return asyncio.create_task(self._chunk(start, stop))

    async def _chunk(self, start: int, stop: int) -> CollectChunkResult:
        job = self.job
        chunk = CollectChunk(
            run_id=job.run_id,
            spec=job.spec,
            candidate=job.candidate,
            data=job.data,
            path=job.path,
            start=start,
            stop=stop,
            first_execution_id=job.first_execution_id,
            settle=job.options.settle,
            attempts=job.options.attempts,
            ordinary=job.wave > job.options.most_waves,
        )
        summary = f"{job.path}, wave {job.wave}: rows {start}-{stop - 1} of {job.rows}"
        result: CollectChunkResult = await workflow.execute_activity(
            COLLECT_CHUNK, chunk, result_type=CollectChunkResult, summary=summary, **CHUNK
        )
        if (result.path, result.start, result.stop) != (job.path, start, stop):
            raise RuntimeError(f"The answer to rows {start}-{stop} of {job.path} is for {result.path} {result.start}")
        return result

    def _add(self, result: CollectChunkResult) -> None:
        self.spent = self.spent or result.out_of_budget
        self.total.merge(ExactSum.parse(result.total))
        self.done += result.stop - result.start - result.waiting
        self.job.waiting += result.waiting
        self.job.own += result.own
        self.job.n_failed += result.n_failed
        self.job.calls_from_ledger += result.calls_from_ledger
        self.size = adapted(self.size, result, self.job.chunking)
        self._say("")

    def _refuse_what_is_never_the_same(self) -> None:
        job = self.job
        if job.wave > 1 and job.waiting and job.answered > job.answered_before and not job.own:
            raise ApplicationError(_NEVER_THE_SAME, type=SETUP_ERROR, non_retryable=True)

    # -- its batches

    async def _tend(self) -> None:
        """Have the missing calls submitted, and wait until the provider is done with all of them."""
        job = self.job
        pause = job.options.first_look
        if not job.tending:
            job.tending, job.answered_before = True, job.answered
        while True:
            report = await self._batches(TEND_BATCHES, f"wave {job.wave}: submit, look, collect")
            job.answered = report.answered
            if not report.under_way and (report.lacking or not report.trouble):
                self.spent = self.spent or report.lacking
                self._say("")
                return
            if report.moved:
                pause = job.options.first_look
            self._say(_how_it_goes(job.wave, report))
            if _history_is_long():
                await self._continue_as_new()
            await workflow.sleep(pause, summary=f"the provider works on {report.requests} calls")
            pause = job.options.next_look(pause)

    def _begin_wave(self) -> None:
        self.job = self.job.model_copy(
            update={
                "wave": self.job.wave + 1,
                "tending": False,
                "next_row": 0,
                "waiting": 0,
                "own": 0,
                "n_failed": 0,
            }
        )
        self.total, self.done, self.spent = ExactSum(), 0, ""

    async def _batches(self, activity: str, summary: str, *, submit: bool = True) -> BatchReport:
        task = BatchTask(
            spec=self.job.spec,
            owner=self.owner,
            attempts=self.job.options.attempts,
            uncertain=self.job.options.uncertain,
            submit=submit,
        )
        report: BatchReport = await workflow.execute_activity(
            activity, task, result_type=BatchReport, summary=summary, **CHUNK
        )
        if report.owner != self.owner:
            raise RuntimeError(f"The answer to {self.owner} is for {report.owner}")
        return report

    # -- the end

    async def _cancel(self) -> None:
        """Have the provider cancel what it has of ours, and keep what it had done by then: that is paid for."""
        for chunk in self.running:
            chunk.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        self._say("cancelling the provider's batches")
        options = self.job.options
        began, pause = workflow.now(), options.first_look
        report = await self._batches(CANCEL_BATCHES, "cancel")
        while report.under_way and (workflow.now() - began).total_seconds() < options.longest_cancellation:
            report = await self._batches(TEND_BATCHES, "keep what is done", submit=False)
            if report.under_way:
                await workflow.sleep(pause, summary="the provider cancels")
                pause = options.next_look(pause)

    async def _result(self) -> EvaluateResult:
        job = self.job
        if job.wave > 1:
            await self._batches(TEND_BATCHES, "clear up", submit=False)
        # Every call of a row that got done was found in the ledger: those too that batches of this run put there.
        from_ledger = max(0, job.calls_from_ledger - job.answered)
        result = EvaluateResult(
            path=job.path,
            rows=job.rows,
            score=self.total.percent(job.rows),
            n_failed=job.n_failed,
            calls_from_ledger=from_ledger,
        )
        if job.standalone:
            result.bill = (await self._finish(result)).bill
        return result

    def _broken_off(self) -> EvaluateResult:
        job = self.job
        return EvaluateResult(
            path=job.path,
            rows=job.rows,
            score=0.0,
            calls_from_ledger=max(0, job.calls_from_ledger - job.answered),
            out_of_budget=self.spent,
        )

    async def _finish(self, result: EvaluateResult) -> FinishResult:
        finish = FinishTask(
            run_id=self.job.run_id,
            spec=self.job.spec,
            candidate=self.job.candidate,
            first_execution_id=self.job.first_execution_id,
            score=result.score,
            n_failed=result.n_failed,
            calls_from_ledger=result.calls_from_ledger,
            kind="evaluate",
        )
        finished: FinishResult = await workflow.execute_activity(
            FINISH_RUN, finish, result_type=FinishResult, summary="add up the bill", **CHUNK
        )
        return finished

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        update = {"total": str(self.total), "chunk_rows": self.size}
        workflow.continue_as_new(self.job.model_copy(update=update))

    def _say(self, message: str) -> None:
        self.message = message
        job = self.job
        score = f" · score so far **{self.total.percent(self.done)}**" if self.done else ""
        failed = f" · {job.n_failed} failed" if job.n_failed else ""
        rows = f"{self.done} of {job.rows} rows{score}{failed}"
        state = f"**out of budget**: {self.spent}" if self.spent else message or f"wave {job.wave}"
        workflow.set_current_details(f"**{job.path}** of run `{job.run_id}`, by batch\n\n{state}\n\n{rows}")


def _how_it_goes(wave: int, report: BatchReport) -> str:
    batches = f"{report.under_way} batch{'es' if report.under_way != 1 else ''}"
    state = f"wave {wave}: the provider has answered {report.done} of {report.requests} calls in {batches}"
    return f"{state} ({report.trouble})" if report.trouble else state


def _history_is_long() -> bool:
    return workflow.info().is_continue_as_new_suggested()
