"""`Training`: one fine-tuning job at the provider. Each step may be repeated after a crash, and makes nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from dspex.clients.resilience.retry import with_retries
from dspex.errors import LMInvalidRequestError, LMProviderError, LMUnexpectedError
from dspex.finetuning.api import FineTuningApi
from dspex.finetuning.job import FinetuningJob
from dspex.finetuning.job_record import JobRecord, JobRecordStore
from dspex.finetuning.job_spec import SPEC_DIGEST, STARTER, JobSpec
from dspex.finetuning.training_file import TrainingFile

T = TypeVar("T")

LIST_LAG_SECONDS = 3.0
"""How long a job that was just created may be missing from the provider's list."""


class Training:
    """A job's spec, its record and the API.

    Args:
        spec: What to train.
        api: The provider's API.
        records: The job's record in the store.
        starter: Names this start. A job that failed is not created again by the start that created it, but is by a
            later one.
        lag: Seconds that a job just created may need to appear in the provider's list.
    """

    def __init__(
        self,
        spec: JobSpec,
        api: FineTuningApi,
        records: JobRecordStore,
        starter: str,
        lag: float = LIST_LAG_SECONDS,
    ) -> None:
        self.spec = spec
        self._api = api
        self._records = records
        self._starter = starter
        self._lag = lag

    async def ensure_file(self, file: TrainingFile) -> str:
        """The id of the training file at the provider; uploads it unless it is there.

        Raises:
            LMError: the provider refuses, or cannot be reached.
        """

        async def find() -> str | None:
            return await self._api.find_file(file.facts.name, file.facts.size)

        async with self._records.exclusive():
            found = await find()
            return found if found is not None else await self._make(lambda: self._api.upload(file), find)

    async def ensure_job(self, file_id: str) -> FinetuningJob:
        """The job: the one that exists, or a new one.

        Args:
            file_id: The provider's id of the training file.

        Raises:
            LMError: the provider refuses, or cannot be reached.
        """

        async def find() -> FinetuningJob | None:
            return await self._find(file_id)

        async with self._records.exclusive():
            known = await self._recorded() or await self._found(file_id)
            if known is not None:
                await self._write(known, file_id)
                return known
            # From here on a crash leaves open whether there is a job. The next start finds this record and looks twice.
            await self._records.write(self._record(file_id))
            job = await self._make(lambda: self._api.create_job(self.spec.request(file_id, self._starter)), find)
            await self._write(job, file_id)
            return job

    async def look(self, job_id: str) -> FinetuningJob:
        """Ask the provider how the job is doing. Records its end.

        Raises:
            LMProviderError: the provider no longer has the job.
            LMError: the provider refuses, or cannot be reached.
        """
        job = await self._api.job(job_id)
        if job is None:
            raise LMProviderError(
                f"{self._api.base_url} has no fine-tuning job {job_id!r} any more.", code="finetune_failed", status=404
            )
        if job.over:
            if not job.lost and not job.fine_tuned_model:
                raise LMUnexpectedError(f"The fine-tuning job {job_id!r} has succeeded, but names no model yet.")
            await self._write(job, job.training_file)
        return job

    async def events(self, job_id: str, limit: int) -> list[str]:
        """The last `limit` messages of the provider about the job; none from a server that keeps no events."""
        try:
            return await self._api.events(job_id, limit)
        except LMInvalidRequestError:
            return []

    async def cancel(self, job_id: str | None) -> FinetuningJob | None:
        """Cancel the job at the provider; one that has ended stays as it is.

        Args:
            job_id: The provider's id; None to look for the job.

        Returns:
            The job as it is then; None if there is none.
        """
        if job_id is None:
            async with self._records.exclusive():  # another process may just be creating it
                job = await self._recorded() or await self._found(None)
            if job is None:
                return None
            job_id = job.id
        with suppress(LMInvalidRequestError):  # it has ended already
            await self._api.cancel_job(job_id)
        return await self.look(job_id)

    async def _recorded(self) -> FinetuningJob | None:
        """The job that the record names, if the provider still has it and it can be used."""
        record = await self._records.read()
        job = await self._api.job(record.job_id) if record is not None and record.job_id else None
        return job if job is not None and record is not None and self._usable(job, record.starter) else None

    async def _found(self, file_id: str | None) -> FinetuningJob | None:
        """As `_find`; twice if a start was about to create the job and did not record what came of it."""
        found = await self._find(file_id)
        record = await self._records.read() if found is None else None
        if record is None or record.job_id is not None:
            return found
        await asyncio.sleep(self._lag)
        return await self._find(file_id)

    async def _find(self, file_id: str | None) -> FinetuningJob | None:
        """The job in the provider's list, by its mark: for what a crash left open."""
        async for job in self._api.jobs():
            if self._is_ours(job, file_id) and self._usable(job, (job.metadata or {}).get(STARTER)):
                return job
        return None

    def _is_ours(self, job: FinetuningJob, file_id: str | None) -> bool:
        if job.metadata is not None:
            return job.metadata.get(SPEC_DIGEST) == self.spec.digest
        # A server that does not keep metadata. The file is named by its content, and the suffix by the whole spec.
        same = job.training_file == file_id and job.model.startswith(self.spec.model)
        return same and job.suffix in (None, self.spec.suffix)

    def _usable(self, job: FinetuningJob, starter: str | None) -> bool:
        return not job.lost or starter == self._starter

    async def _make(self, make: Callable[[], Awaitable[T]], find: Callable[[], Awaitable[T | None]]) -> T:
        """Have the provider make something, with retries; where it may have been made, look before asking again."""

        async def attempt(number: int) -> T:
            found = await find() if number > 1 else None
            return found if found is not None else await make()

        return await with_retries(attempt, self._api.tries_again)

    async def _write(self, job: FinetuningJob, file_id: str) -> None:
        record = self._record(file_id)
        record.job_id, record.status, record.error = job.id, job.status, job.error
        record.fine_tuned_model, record.trained_tokens = job.fine_tuned_model, job.trained_tokens
        record.cost_usd = self.spec.params.cost_usd(job.trained_tokens)
        record.starter = (job.metadata or {}).get(STARTER) or record.starter
        await self._records.write(record)

    def _record(self, file_id: str) -> JobRecord:
        return JobRecord(
            digest=self.spec.digest,
            base_url=self.spec.base_url,
            model=self.spec.model,
            examples=self.spec.file.rows,
            starter=self._starter,
            file_id=file_id,
        )


def failure(job: FinetuningJob) -> LMProviderError:
    """The error of a `job` that ended without a model, in the provider's own words."""
    if job.status == "cancelled":
        return LMProviderError(f"The fine-tuning job {job.id!r} was cancelled.", code="finetune_cancelled")
    words = job.error or "the provider gives no reason"
    return LMProviderError(f"The fine-tuning job {job.id!r} failed: {words}", code="finetune_failed")
