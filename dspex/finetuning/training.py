"""`Training`: one order at the provider. Each of its steps may be done again after a crash, and makes nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from dspex.clients.resilience.retry import with_retries
from dspex.errors import LMInvalidRequestError, LMProviderError, LMUnexpectedError
from dspex.finetuning.api import FineTuningApi
from dspex.finetuning.job import FinetuningJob
from dspex.finetuning.journal import Entry, Journal
from dspex.finetuning.order import MARK, STARTER, Order
from dspex.finetuning.training_file import TrainingFile

T = TypeVar("T")

LAG_S = 3.0


class Training:
    """One order, its journal and the API.

    Args:
        starter: Names this start of it. A job that failed is not asked for again by the start that asked for it, but
            is by a later one.
        lag: Seconds that a job just created may need to appear in the provider's list.
    """

    def __init__(self, order: Order, api: FineTuningApi, journal: Journal, starter: str, lag: float = LAG_S) -> None:
        self.order = order
        self._api = api
        self._journal = journal
        self._starter = starter
        self._lag = lag

    async def ensure_file(self, file: TrainingFile) -> str:
        """The id of the training file at the provider, which is uploaded if it is not there yet."""

        async def find() -> str | None:
            return await self._api.find_file(file.facts.name, file.facts.size)

        async with self._journal.alone():
            found = await find()
            return found if found is not None else await self._make(lambda: self._api.upload(file), find)

    async def ensure_job(self, file_id: str) -> FinetuningJob:
        """The job of this order: the one there is, or a new one."""

        async def find() -> FinetuningJob | None:
            return await self._find(file_id)

        async with self._journal.alone():
            known = await self._known() or await self._found(file_id)
            if known is not None:
                await self._note(known, file_id)
                return known
            # From here on a crash leaves open whether there is a job. The next to come finds this and looks twice.
            await self._journal.write(self._entry(file_id))
            job = await self._make(lambda: self._api.create_job(self.order.request(file_id, self._starter)), find)
            await self._note(job, file_id)
            return job

    async def look(self, job_id: str) -> FinetuningJob:
        """How the job goes. The end of it is written down.

        Raises:
            LMProviderError: the provider has no such job any more.
        """
        job = await self._api.job(job_id)
        if job is None:
            raise LMProviderError(
                f"{self._api.base_url} has no fine-tuning job {job_id!r} any more.", code="finetune_failed", status=404
            )
        if job.over:
            if not job.lost and not job.fine_tuned_model:
                raise LMUnexpectedError(f"The fine-tuning job {job_id!r} has succeeded, but names no model yet.")
            await self._note(job, job.training_file)
        return job

    async def events(self, job_id: str, limit: int) -> list[str]:
        """What the provider said last about the job. Nothing, from a server that keeps no events."""
        try:
            return await self._api.events(job_id, limit)
        except LMInvalidRequestError:
            return []

    async def cancel(self, job_id: str | None) -> FinetuningJob | None:
        """End the order's job, which is looked for if its id is not known. Returns what became of it, if there is one.

        One that is over stays as it is.
        """
        if job_id is None:
            async with self._journal.alone():  # somebody may just be creating it
                job = await self._known() or await self._found(None)
            if job is None:
                return None
            job_id = job.id
        with suppress(LMInvalidRequestError):  # it is over already
            await self._api.cancel_job(job_id)
        return await self.look(job_id)

    async def _known(self) -> FinetuningJob | None:
        """The job that the journal knows, if the provider still has it and it is of use."""
        entry = await self._journal.read()
        job = await self._api.job(entry.job_id) if entry is not None and entry.job_id else None
        return job if job is not None and entry is not None and self._of_use(job, entry.starter) else None

    async def _found(self, file_id: str | None) -> FinetuningJob | None:
        """As `_find`, and twice if somebody was about to ask for the job and did not write down what came of it."""
        found = await self._find(file_id)
        entry = await self._journal.read() if found is None else None
        if entry is None or entry.job_id is not None:
            return found
        await asyncio.sleep(self._lag)
        return await self._find(file_id)

    async def _find(self, file_id: str | None) -> FinetuningJob | None:
        """The order's job at the provider, by its mark: for what a crash left open."""
        async for job in self._api.jobs():
            if self._is_ours(job, file_id) and self._of_use(job, (job.metadata or {}).get(STARTER)):
                return job
        return None

    def _is_ours(self, job: FinetuningJob, file_id: str | None) -> bool:
        if job.metadata is not None:
            return job.metadata.get(MARK) == self.order.digest
        # A server that does not keep metadata. The file is named by its content, and the suffix by the whole order.
        same = job.training_file == file_id and job.model.startswith(self.order.model)
        return same and job.suffix in (None, self.order.suffix)

    def _of_use(self, job: FinetuningJob, starter: str | None) -> bool:
        return not job.lost or starter == self._starter

    async def _make(self, make: Callable[[], Awaitable[T]], find: Callable[[], Awaitable[T | None]]) -> T:
        """Have the provider make something; where it is not certain that it did not, look before asking again."""

        async def attempt(number: int) -> T:
            found = await find() if number > 1 else None
            return found if found is not None else await make()

        return await with_retries(attempt, self._api.tries_again)

    async def _note(self, job: FinetuningJob, file_id: str) -> None:
        entry = self._entry(file_id)
        entry.job_id, entry.status, entry.error = job.id, job.status, job.error
        entry.fine_tuned_model, entry.trained_tokens = job.fine_tuned_model, job.trained_tokens
        entry.cost_usd = self.order.params.cost_usd(job.trained_tokens)
        entry.starter = (job.metadata or {}).get(STARTER) or entry.starter
        await self._journal.write(entry)

    def _entry(self, file_id: str) -> Entry:
        return Entry(
            digest=self.order.digest,
            base_url=self.order.base_url,
            model=self.order.model,
            examples=self.order.file.rows,
            starter=self._starter,
            file_id=file_id,
        )


def failure(job: FinetuningJob) -> LMProviderError:
    """Why `job` came to nothing, in the provider's own words."""
    if job.status == "cancelled":
        return LMProviderError(f"The fine-tuning job {job.id!r} was cancelled.", code="finetune_cancelled")
    words = job.error or "the provider gives no reason"
    return LMProviderError(f"The fine-tuning job {job.id!r} failed: {words}", code="finetune_failed")
