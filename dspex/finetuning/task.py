"""`TrainingTask`, and the one that this process waits for; the provider trains on without the process.

When the process dies, the same call made again finds the job and waits for it; nothing is uploaded or created twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import Protocol

from dspex.clients.utils_finetune import TrainingStatus
from dspex.errors import DSPyError, FailureKind, LMProviderError, classify
from dspex.finetuning.job import FinetuningJob
from dspex.finetuning.polling import Polling
from dspex.finetuning.request import FinetuneRequest, model_name
from dspex.finetuning.training import Training, failure
from dspex.finetuning.training_file import Rows, training_file
from dspex.settings import settings
from dspex.store import Store

logger = logging.getLogger(__name__)


class TrainingTask(Protocol):
    """A fine-tuning under way, in this process or as a durable run. The provider's ids are None until known."""

    file_id: str | None
    job_id: str | None

    async def run(self) -> str:
        """Do it, however long that takes; returns the trained model's name.

        Raises:
            UsageError: the data or the parameters are wrong; nothing was uploaded.
            LMProviderError: the provider's job failed or was cancelled; the message is in its own words.
            LMError: the provider refuses.
        """
        ...

    async def cancel(self) -> bool:
        """End it, at the provider too. False if it had succeeded before."""
        ...

    async def status(self) -> TrainingStatus:
        """How it is doing, in DSPy's words."""
        ...


class LocalTrainingTask:
    """A `TrainingTask` that this process works on, on dspex's event loop."""

    def __init__(self, request: FinetuneRequest, data: Rows, polling: Polling | None = None) -> None:
        self._request = request
        self._data = data
        self._polling = polling or Polling()
        self._training: Training | None = None
        self._ended: FinetuningJob | None = None
        self._cancelled = False
        self._wake = asyncio.Event()
        self.file_id: str | None = None
        self.job_id: str | None = None

    async def run(self) -> str:
        """See `TrainingTask.run`."""
        store = Store.open(settings.store)
        async with training_file(self._data, self._request.rules(), store) as file:
            training = self._request.training(file.facts, store, starter=uuid.uuid4().hex)
            self.file_id = await training.ensure_file(file)
        self._refuse_if_cancelled()
        self.job_id = (await training.ensure_job(self.file_id)).id
        self._training = training
        logger.info("Fine-tuning %s: job %s", self._request.model, self.job_id)
        if self._cancelled:
            await training.cancel(self.job_id)
        self._ended = await self._end_of(training, self.job_id)
        if self._ended.lost or self._ended.fine_tuned_model is None:
            raise failure(self._ended)
        return model_name(self._ended.fine_tuned_model)

    async def cancel(self) -> bool:
        """See `TrainingTask.cancel`."""
        self._cancelled = True
        self._wake.set()
        if self._training is None or self.job_id is None:
            return True
        job = await self._training.cancel(self.job_id)
        return job is None or not job.over or job.lost

    async def status(self) -> TrainingStatus:
        """See `TrainingTask.status`."""
        if self._ended is not None:
            return self._ended.training_status
        if self._training is None or self.job_id is None:
            return TrainingStatus.not_started
        return (await self._training.look(self.job_id)).training_status

    async def _end_of(self, training: Training, job_id: str) -> FinetuningJob:
        """Poll the job until it has ended. A failure that may pass does not end the wait."""
        began, logged = time.monotonic(), ""
        while True:
            try:
                job = await training.look(job_id)
            except DSPyError as error:
                if classify(error) is not FailureKind.INFRASTRUCTURE:
                    raise
                logger.warning("Fine-tuning job %s cannot be looked at just now: %s", job_id, error)
            else:
                if job.over:
                    return job
                if job.status != logged:
                    logged = job.status
                    logger.info("Fine-tuning job %s: %s", job_id, logged)
            await self._rest(self._polling.wait(time.monotonic() - began))

    async def _rest(self, seconds: float) -> None:
        """Wait until the next poll; a cancellation ends the wait, once."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        self._wake.clear()

    def _refuse_if_cancelled(self) -> None:
        if self._cancelled:
            raise LMProviderError(
                "The fine-tuning was cancelled before its job was created.", code="finetune_cancelled"
            )
