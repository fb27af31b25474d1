"""`LM.finetune` as a durable run, after ``dspex.configure(temporal=...)``."""

from __future__ import annotations

import logging
from typing import Any

from dspex.clients.utils_finetune import TrainingStatus
from dspex.finetuning.job import training_status
from dspex.finetuning.request import FinetuneRequest
from dspex.runner.references import this_process
from dspex.temporal.client import Client
from dspex.temporal.finetune import start_finetune
from dspex.temporal.finetune_run import FinetuneRun
from dspex.worker.worker import make_worker

logger = logging.getLogger(__name__)

_PHASES_WITHOUT_JOB = ("waiting", "uploading", "creating")


class DurableTrainingTask:
    """A `dspex.finetuning.task.TrainingTask` that is a durable run. This process works on it as one of its workers.

    Args:
        request: What to train.
        data: The rows to train on.
    """

    def __init__(self, request: FinetuneRequest, data: list[dict[str, Any]]) -> None:
        self._request = request
        self._data = data
        self._run: FinetuneRun | None = None
        self.file_id: str | None = None
        self.job_id: str | None = None

    async def run(self) -> str:
        """Start the run, or attach to the one of the same request on the same data, and wait for it.

        Returns:
            The trained model's name.

        Raises:
            UsageError: the data or the parameters are wrong; nothing was uploaded.
            RunFailedError: the provider's job failed or was cancelled.
        """
        client = await Client.connect()
        request = self._request
        run = await start_finetune(
            client.starter,
            client.store,
            request.lm,
            self._data,
            request.data_format,
            request.train_kwargs,
            id=None,
            named_by_content=True,
        )
        self._run = run
        logger.info("Durable fine-tuning %s", run.id)
        async with make_worker(client.temporal, this_process(), store=client.store, task_queue=client.task_queue):
            result = await run.result()
        self.file_id, self.job_id = result.file_id, result.job_id
        return result.model

    async def cancel(self) -> bool:
        """End the run, and the provider's job with it."""
        if self._run is not None:
            await self._run.stop()
        return True

    async def status(self) -> TrainingStatus:
        """Return the job's status, in DSPy's words."""
        if self._run is None:
            return TrainingStatus.not_started
        progress = await self._run.progress()
        self.file_id, self.job_id = progress.file_id, progress.job_id
        if progress.phase in _PHASES_WITHOUT_JOB:
            return TrainingStatus.not_started
        return training_status(progress.phase)
