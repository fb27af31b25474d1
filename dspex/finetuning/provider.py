"""`OpenAIProvider`: fine-tuning behind DSPy's `LM.finetune`. For OpenAI and servers that speak its fine-tuning API."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dspex.backend import backend
from dspex.bridge import wait_for
from dspex.clients.provider import Provider, TrainingJob
from dspex.clients.utils_finetune import TrainDataFormat, TrainingStatus
from dspex.clients.wires.endpoints import OPENAI, parse_model
from dspex.errors import LMProviderError

if TYPE_CHECKING:
    from dspex.finetuning.task import TrainingTask


class TrainingJobOpenAI(TrainingJob):
    """A job of OpenAI's fine-tuning API.

    `status` asks the provider. `cancel` ends the job there too, and is False for one that has succeeded already; the
    training file stays, since it is known by its content and may serve another job.
    """

    task: TrainingTask | None = None
    """What does the training; None until it has begun."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ending = threading.RLock()

    @property
    def provider_file_id(self) -> str | None:
        return self.task.file_id if self.task else None

    @property
    def provider_job_id(self) -> str | None:
        return self.task.job_id if self.task else None

    def status(self) -> TrainingStatus:
        """The provider's status; ``not_started`` while the data are being checked and uploaded."""
        return wait_for(self.task.status()) if self.task else TrainingStatus.not_started

    def cancel(self) -> bool:
        """End the job here and at the provider; False if it has succeeded already."""
        with self._ending:
            if self.done() or (self.task is not None and not wait_for(self.task.cancel())):
                return self.cancelled()
            return super().cancel()

    def set_result(self, result: Any) -> None:
        """End the wait. A job that is being cancelled ends as cancelled, not with the error that cancelling causes."""
        with self._ending:
            super().set_result(result)


class OpenAIProvider(Provider):
    """Trains models through OpenAI's fine-tuning API, at the address and with the key of the `LM`."""

    def __init__(self) -> None:
        super().__init__()
        self.finetunable = True
        self.TrainingJob = TrainingJobOpenAI

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether the name means one of OpenAI's: ``openai/...``, ``ft:...``, or without any prefix."""
        return parse_model(model).provider == OPENAI.name

    @staticmethod
    def finetune(
        job: TrainingJob,
        model: str,
        train_data: list[dict[str, Any]],
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Check the data, upload them, create a job and wait for its end; returns the trained model's name.

        After ``dspex.configure(temporal=...)`` all of it is a durable run. The same data, model and parameters again
        are the same job: its model is the result at once, if it succeeded; another ``seed`` or ``suffix`` makes a new
        job.

        Args:
            job: The job in whose name this is done; its status and cancellation go to the training.
            model: The model to train.
            train_data: The rows.
            train_data_format: The format of the rows.
            train_kwargs: Hyperparameters (``n_epochs``, ``batch_size``, ``learning_rate_multiplier``), fields of the
                API's request (``method``, ``suffix``, ``seed``, ``validation_file``, ...), and
                ``usd_per_million_tokens``, the price of training.

        Raises:
            UsageError: the data or a parameter is wrong; nothing was uploaded.
            LMProviderError: the job failed; the message is the provider's.
        """
        from dspex.clients.lm import LM
        from dspex.finetuning.request import FinetuneRequest

        lm = job.lm if isinstance(job.lm, LM) else LM(model)
        task: TrainingTask = backend().finetune(
            FinetuneRequest(lm, model, train_data_format, train_kwargs or {}), train_data
        )
        if isinstance(job, TrainingJobOpenAI):
            job.task = task
            if job.cancelled():
                raise LMProviderError("The fine-tuning was cancelled before it began.", code="finetune_cancelled")
        return wait_for(task.run())
