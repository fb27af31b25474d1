"""EvaluateByBatch: score one candidate on one data set through the provider's batch API.

In waves: all rows are run as far as the ledger's answers take them, the calls that are missing are submitted, and when
the provider is done, the rows are run again. In between nothing is held but this workflow's timer.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

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
from dspex.temporal.contracts.optimize import SETUP_ERROR, EvaluateResult
from dspex_workflows.chunked_evaluation import ChunkedEvaluation, history_is_long
from dspex_workflows.policies import CHUNK

_NEVER_THE_SAME = (
    "The program asks something else each time it is run (does a prompt hold the time, or something random?), so what "
    "batches answer is never asked for again. Run it without batch=True."
)


@workflow.defn(name=EVALUATE_BY_BATCH)
class EvaluateByBatch(ChunkedEvaluation[EvaluateByBatchJob, CollectChunkResult]):
    """A wave is a few activities and a timer; its rows' outcomes and answers are in the store."""

    chunk_activity = COLLECT_CHUNK
    chunk_result = CollectChunkResult

    @workflow.init
    def __init__(self, job: EvaluateByBatchJob) -> None:
        self.begin(job, done=job.next_row - job.waiting)
        self.owner = f"{self.job.run_id}@{self.job.first_execution_id}/{self.job.path}"
        self.running: list[asyncio.Task[CollectChunkResult]] = []
        self.inspected = not job.standalone or not self._is_first()

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
            if not self.job.waiting and not self.out_of_budget:
                await workflow.wait_condition(workflow.all_handlers_finished)
                return await self._result()
            await self._tend()
            if self.out_of_budget and not self.job.standalone:
                return self.broken_off(self._calls_from_ledger())
            if self.out_of_budget:
                await self.budget_changed(budget_revision)
            elif self.job.answered == self.job.answered_before:
                # Another run has taken the calls over, or will have them answered: give it the time.
                await workflow.sleep(self.job.options.first_look, summary="another run asks the same")
            self._begin_wave()

    def _is_first(self) -> bool:
        """Whether nothing has been run yet."""
        return self.job.wave == 1 and not self.job.tending and not self.job.next_row

    async def _inspect(self) -> None:
        if self.job.standalone:
            await self.inspect()
        await self._batches(INSPECT_BATCHES, "ask whether the provider has a batch API")
        self.inspected = True

    # -- the rows of a wave

    async def _run_rows(self) -> None:
        """Run all rows as far as they come."""
        self.say("")
        while self.running or (self.job.next_row < self.job.rows and not self.out_of_budget):
            if history_is_long() and not self.running:
                await self._continue_as_new()
            await self.advance(self.running)
        self._refuse_what_is_never_the_same()

    def _request(self, start: int, stop: int) -> CollectChunk:
        options = self.job.options
        return CollectChunk(
            **self._place(start, stop),
            settle=options.settle,
            attempts=options.attempts,
            ordinary=self.job.wave > options.most_waves,
        )

    def add(self, result: CollectChunkResult) -> None:
        self.out_of_budget = self.out_of_budget or result.out_of_budget
        self._add_scores(result)
        self.done += result.stop - result.start - result.waiting
        self.job.waiting += result.waiting
        self.job.own += result.own
        self.say("")

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
                self.out_of_budget = self.out_of_budget or report.lacking
                self.say("")
                return
            if report.moved:
                pause = job.options.first_look
            self.say(_how_it_goes(job.wave, report))
            if history_is_long():
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
        self.total, self.done, self.out_of_budget = ExactSum(), 0, ""

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
        self.say("cancelling the provider's batches")
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
        return await self.finished(self._calls_from_ledger())

    def _calls_from_ledger(self) -> int:
        # Every call of a row that got done was found in the ledger: those too that batches of this run put there.
        return max(0, self.job.calls_from_ledger - self.job.answered)

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.carried_on())

    def say(self, message: str) -> None:
        self.message = message
        job = self.job
        state = f"**out of budget**: {self.out_of_budget}" if self.out_of_budget else message or f"wave {job.wave}"
        heading = f"**{job.path}** of run `{job.run_id}`, by batch"
        workflow.set_current_details(f"{heading}\n\n{state}\n\n{self._score_so_far()}")

    def _doing(self) -> str:
        return f"{self.job.path}, wave {self.job.wave}"


def _how_it_goes(wave: int, report: BatchReport) -> str:
    batches = f"{report.under_way} batch{'es' if report.under_way != 1 else ''}"
    state = f"wave {wave}: the provider has answered {report.done} of {report.requests} calls in {batches}"
    return f"{state} ({report.trouble})" if report.trouble else state
