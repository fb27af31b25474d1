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

    undertaking: TrainingTask | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ending = threading.RLock()

    @property
    def provider_file_id(self) -> str | None:
        return self.undertaking.file_id if self.undertaking else None

    @property
    def provider_job_id(self) -> str | None:
        return self.undertaking.job_id if self.undertaking else None

    def status(self) -> TrainingStatus:
        """How the provider says it goes: ``not_started`` while the data are being checked and uploaded."""
        return wait_for(self.undertaking.status()) if self.undertaking else TrainingStatus.not_started

    def cancel(self) -> bool:
        """End the job here and at the provider."""
        with self._ending:
            if self.done() or (self.undertaking is not None and not wait_for(self.undertaking.cancel())):
                return self.cancelled()
            return super().cancel()

    def set_result(self, result: Any) -> None:
        """The wait is over. One that is being cancelled ends as cancelled, not with the error that this makes."""
        with self._ending:
            super().set_result(result)


class OpenAIProvider(Provider):
    """Trains models through OpenAI's fine-tuning API, at the address and with the key of the LM that asks."""

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

        After ``dspex.configure(temporal=...)`` all of it is a durable run. `train_kwargs` are hyperparameters
        (``n_epochs``, ``batch_size``, ``learning_rate_multiplier``), fields of the API's request (``method``,
        ``suffix``, ``seed``, ``validation_file``, ...), and ``usd_per_million_tokens``, the price that the bill is made
        with. The same data, model and parameters again are the same job: its model is the result at once, if it
        succeeded; a new one is had with another ``seed`` or ``suffix``.

        Raises:
            UsageError: the data or a parameter is wrong; nothing was uploaded.
            LMProviderError: the job failed; the message is the provider's.
        """
        from dspex.clients.lm import LM
        from dspex.finetuning.request import FinetuneRequest

        lm = job.lm if isinstance(job.lm, LM) else LM(model)
        undertaking: TrainingTask = backend().finetune(
            FinetuneRequest(lm, model, train_data_format, train_kwargs or {}), train_data
        )
        if isinstance(job, TrainingJobOpenAI):
            job.undertaking = undertaking
            if job.cancelled():
                raise LMProviderError("The fine-tuning was cancelled before it began.", code="finetune_cancelled")
        return wait_for(undertaking.run())
