"""FinetuneModel: one training job at a provider, waited for by timers. Between two looks no worker is busy."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from dspex.temporal.contracts.finetune import (
    CANCEL_FINETUNE_JOB,
    CREATE_FINETUNE_JOB,
    FINETUNE,
    LOOK_AT_FINETUNE_JOB,
    UPLOAD_TRAINING_FILE,
    FileRef,
    FinetuneJob,
    FinetuneProgress,
    FinetuneResult,
    FinetuneTask,
    JobState,
)
from dspex.temporal.contracts.optimize import SETUP_ERROR
from dspex_workflows.policies import CHUNK, HEARTBEAT_TIMEOUT, RETRY

_SOON = timedelta(seconds=3)

# However long the provider is away: the job goes on there.
_LOOK: dict[str, Any] = {
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "start_to_close_timeout": timedelta(minutes=5),
    "retry_policy": RETRY,
}


@workflow.defn(name=FINETUNE)
class FinetuneModel:
    """Uploads, creates, waits. Cancelling it cancels the provider's job."""

    @workflow.init
    def __init__(self, job: FinetuneJob) -> None:
        self.job = job.model_copy(
            update={"first_execution_id": job.first_execution_id or workflow.info().first_execution_run_id}
        )
        self.phase = "waiting"
        self.message = ""
        self.asked = job.job_id is not None
        """Whether there may be a job at the provider."""
        self.state = JobState(run_id=job.run_id, job_id=job.job_id)

    @workflow.query
    def progress(self) -> FinetuneProgress:
        state = self.state
        return FinetuneProgress(
            run_id=self.job.run_id,
            phase=self.phase,
            message=self.message or (state.events[-1] if state.events else ""),
            file_id=self.job.file.id,
            job_id=self.job.job_id,
            trained_tokens=state.trained_tokens,
            estimated_finish=state.estimated_finish,
            events=state.events,
        )

    @workflow.run
    async def run(self, job: FinetuneJob) -> FinetuneResult:
        try:
            await self._begin()
            state = await self._end()
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error) or not self.asked:
                raise
            state = await self._cancel()
            if state.model is None:  # had it succeeded just before, that is the result
                raise
        return self._result(state)

    async def _begin(self) -> None:
        """Until there is a job. Each activity finds what it made, should it be done again."""
        job = self.job
        if job.file.id is None:
            self._show("uploading")
            file = await self._upload()
            if file.sha != job.file.sha:
                raise RuntimeError(f"The answer to the file {job.file.sha} is for {file.sha}")
            job.file = file
        if job.job_id is None:
            self._show("creating")
            self.asked = True
            self.state = await workflow.execute_activity(
                CREATE_FINETUNE_JOB,
                self._task(),
                result_type=JobState,
                summary=f"create the job, or find it, for {job.file.id}",
                **CHUNK,
            )
            self._check(self.state)
            job.job_id, job.began = self.state.job_id, workflow.now().timestamp()

    async def _upload(self) -> FileRef:
        noticing = asyncio.create_task(self._say_if_no_worker_comes())
        try:
            file: FileRef = await workflow.execute_activity(
                UPLOAD_TRAINING_FILE,
                self._task(),
                result_type=FileRef,
                summary=f"check and upload {self.job.file.rows} examples, {self.job.file.size} bytes",
                **CHUNK,
            )
        finally:
            noticing.cancel()
            self.message = ""
        return file

    async def _end(self) -> JobState:
        """Look, and wait, until the job is over."""
        looks = 0
        while True:
            self.state = await self._look()
            looks += 1
            self._show(self.state.status)
            if self.state.over:
                return self.state
            elapsed = workflow.now().timestamp() - (self.job.began or 0.0)
            await asyncio.sleep(self.job.polling.wait(elapsed))
            if looks >= self.job.polling.looks_a_history or workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self.job)

    async def _look(self) -> JobState:
        state: JobState = await workflow.execute_activity(
            LOOK_AT_FINETUNE_JOB,
            self._task(),
            result_type=JobState,
            summary=f"look at {self.job.job_id}",
            **_LOOK,
        )
        self._check(state)
        return state

    async def _cancel(self) -> JobState:
        """Have the provider end the job: also one that was just being created."""
        self._show("cancelling")
        self.state = await workflow.execute_activity(
            CANCEL_FINETUNE_JOB,
            self._task(),
            result_type=JobState,
            summary="cancel the provider's job",
            **_LOOK,
        )
        self._show(self.state.status or "cancelled")
        return self.state

    async def _say_if_no_worker_comes(self) -> None:
        await asyncio.sleep(_SOON.total_seconds())
        self.message = "a long upload, or waiting for a worker (the pending activity says what it meets)"
        self._show("uploading")

    def _task(self) -> FinetuneTask:
        job = self.job
        return FinetuneTask(
            run_id=job.run_id,
            spec=job.spec,
            file=job.file,
            first_execution_id=job.first_execution_id,
            job_id=job.job_id,
        )

    def _check(self, state: JobState) -> None:
        """A replay does not compare an activity's inputs, so answers name what they answer."""
        known = self.job.job_id
        if state.run_id != self.job.run_id or state.job_id is None or known not in (None, state.job_id):
            raise RuntimeError(f"The answer to {known} of {self.job.run_id} is for {state.job_id} of {state.run_id}")

    def _result(self, state: JobState) -> FinetuneResult:
        if state.model is None:
            raise ApplicationError(state.error, type=SETUP_ERROR, non_retryable=True)
        return FinetuneResult(
            run_id=self.job.run_id,
            model=state.model,
            base_model=self.job.labels.program,
            job_id=str(state.job_id),
            file_id=str(self.job.file.id),
            examples=self.job.file.rows,
            trained_tokens=state.trained_tokens,
            cost_usd=state.cost_usd,
        )

    def _show(self, phase: str) -> None:
        """Tell the Web UI."""
        self.phase = phase
        workflow.set_current_details(_details(self.job, self.state, phase, self.message))


def _details(job: FinetuneJob, state: JobState, phase: str, message: str) -> str:
    lines = [f"**finetune** of `{job.labels.program}` on {job.file.rows} examples", "", f"- status: **{phase}**"]
    if message:
        lines.append(f"- now: {message}")
    if job.job_id is not None:
        lines.append(f"- job: `{job.job_id}`, file: `{job.file.id}`")
    if state.estimated_finish is not None:
        lines.append(
            f"- estimated end: {datetime.fromtimestamp(state.estimated_finish, UTC).isoformat(timespec='minutes')}"
        )
    if state.trained_tokens is not None:
        cost = "" if state.cost_usd is None else f", ${state.cost_usd:.4f}"
        lines.append(f"- trained tokens: {state.trained_tokens}{cost}")
    if state.model is not None:
        lines.append(f"- model: `{state.model}`")
    return "\n".join([*lines, *(f"- {event}" for event in state.events)])
