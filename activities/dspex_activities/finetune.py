"""The steps of a fine-tuning run: upload, create, look, cancel. Each may be done again, and makes nothing twice."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from dspex.clients import LM
from dspex.errors import DSPyError, LMInvalidRequestError
from dspex.finetuning.job import FinetuningJob
from dspex.finetuning.params import train_params
from dspex.finetuning.request import FinetuneRequest, model_name
from dspex.finetuning.training import Training, failure
from dspex.finetuning.training_file import FileFacts, training_file
from dspex.temporal.contracts.finetune import (
    CANCEL_FINETUNE_JOB,
    CREATE_FINETUNE_JOB,
    LOOK_AT_FINETUNE_JOB,
    UPLOAD_TRAINING_FILE,
    FileRef,
    FinetuneSpec,
    FinetuneTask,
    JobState,
)
from dspex.temporal.contracts.optimize import SETUP_ERROR
from dspex_activities.run_cache import RunCache
from dspex_activities.work import perform

T = TypeVar("T")

_EVENTS = 5
_WIDEST_EVENT = 300


class Finetunes:
    """The activities of fine-tuning runs."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=UPLOAD_TRAINING_FILE)
    async def upload(self, task: FinetuneTask) -> FileRef:
        """Check the data and have them at the provider."""
        return await perform(_telling(self._upload(task)))

    @activity.defn(name=CREATE_FINETUNE_JOB)
    async def create(self, task: FinetuneTask) -> JobState:
        """Have the job at the provider: the one there is, or a new one."""
        return await perform(_telling(self._create(task)))

    @activity.defn(name=LOOK_AT_FINETUNE_JOB)
    async def look(self, task: FinetuneTask) -> JobState:
        """How the job goes."""
        return await perform(_telling(self._look(task)))

    @activity.defn(name=CANCEL_FINETUNE_JOB)
    async def cancel(self, task: FinetuneTask) -> JobState:
        """End the job, if there is one."""
        return await perform(_telling(self._cancel(task)))

    async def _upload(self, task: FinetuneTask) -> FileRef:
        store = self._cache.store
        await store.check()
        spec, request = await self._request(task)
        async with training_file(spec.data, request.rules(), store) as file:
            if file.facts.sha != task.file.sha:
                raise DSPyError(f"The data of {task.run_id!r} make another file here than where the run was started.")
            file_id = await self._training(task, request).ensure_file(file)
        return task.file.model_copy(update={"id": file_id})

    async def _create(self, task: FinetuneTask) -> JobState:
        _, request = await self._request(task)
        assert task.file.id is not None
        return _state(task, request, await self._training(task, request).ensure_job(task.file.id))

    async def _look(self, task: FinetuneTask) -> JobState:
        _, request = await self._request(task)
        training = self._training(task, request)
        assert task.job_id is not None
        job = await training.look(task.job_id)
        return _state(task, request, job, await training.events(task.job_id, _EVENTS))

    async def _cancel(self, task: FinetuneTask) -> JobState:
        _, request = await self._request(task)
        job = await self._training(task, request).cancel(task.job_id)
        return JobState(run_id=task.run_id) if job is None else _state(task, request, job)

    async def _request(self, task: FinetuneTask) -> tuple[FinetuneSpec, FinetuneRequest]:
        spec = FinetuneSpec.model_validate(await self._cache.store.programs.get(task.spec))
        return spec, FinetuneRequest(LM.load_state(spec.lm), spec.model, spec.data_format, spec.train_kwargs)

    def _training(self, task: FinetuneTask, request: FinetuneRequest) -> Training:
        facts = FileFacts(task.file.sha, task.file.size, task.file.rows)
        return request.training(facts, self._cache.store, starter=task.first_execution_id, workflow_id=task.run_id)


async def _telling(work: Coroutine[Any, Any, T]) -> T:
    """Do `work`. What the provider refuses (400) it would refuse again: the run ends, with its words."""
    try:
        return await work
    except LMInvalidRequestError as error:
        raise ApplicationError(str(error), type=SETUP_ERROR, non_retryable=True) from None


def _state(
    task: FinetuneTask, request: FinetuneRequest, job: FinetuningJob, events: list[str] | None = None
) -> JobState:
    return JobState(
        run_id=task.run_id,
        job_id=job.id,
        status=job.status,
        over=job.over,
        model=model_name(job.fine_tuned_model) if job.over and job.fine_tuned_model and not job.lost else None,
        trained_tokens=job.trained_tokens,
        cost_usd=train_params(request.train_kwargs).cost_usd(job.trained_tokens),
        error=str(failure(job)) if job.lost else "",
        estimated_finish=job.estimated_finish,
        events=[event[:_WIDEST_EVENT] for event in events or ()],
    )
