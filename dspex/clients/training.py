"""What an `LM` does through its `Provider`: being launched, killed and trained."""

from __future__ import annotations

import contextvars
import logging
import threading
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dspex.clients.provider import Provider, ReinforceJob, TrainingJob
from dspex.clients.training_providers import provider_for
from dspex.errors import LMUnsupportedFeatureError

if TYPE_CHECKING:
    from dspex.clients.utils_finetune import TrainDataFormat

logger = logging.getLogger(__name__)


class Trainable:
    """The part of `LM` that deals with its provider."""

    model: str
    provider: Provider
    finetuning_model: str | None
    train_kwargs: dict[str, Any]

    def infer_provider(self) -> Provider:
        """Choose the provider where none was given: one that can train the model, else one that does nothing."""
        return provider_for(self.model)

    def launch(self, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Have the provider make the model ready to be called, with `launch_kwargs` for its server."""
        self.provider.launch(self, launch_kwargs)  # type: ignore[arg-type]

    def kill(self, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Have the provider undo `launch`."""
        self.provider.kill(self, launch_kwargs)  # type: ignore[arg-type]

    def finetune(
        self,
        train_data: list[dict[str, Any]],
        train_data_format: TrainDataFormat | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> TrainingJob:
        """Have the provider train the model, in a thread that has the caller's settings.

        Args:
            train_data: The examples, one dict each, in `train_data_format`.
            train_data_format: Which of the provider's formats the examples have. None: its default.
            train_kwargs: Arguments for the provider. None: the LM's own.

        Returns:
            The job. Its result is this LM with the trained model's name, or, as in DSPy, the error that ended the
            training: the error is returned, not raised.

        Raises:
            LMUnsupportedFeatureError: the provider cannot train.
        """
        if not self.provider.finetunable:
            raise LMUnsupportedFeatureError(
                f"Provider {self.provider} does not support fine-tuning. Name one that does when the LM is made: "
                "LM(..., provider=...).",
                model=self.model,
                features=["finetuning"],
            )
        here = contextvars.copy_context()
        job = self.provider.TrainingJob(
            thread=threading.Thread(target=lambda: here.run(self._run_finetune_job, job), name="dspex-finetune"),
            model=self.finetuning_model or self.model,
            train_data=train_data,
            train_data_format=train_data_format,
            train_kwargs=train_kwargs or self.train_kwargs,
        )
        job.lm = self  # type: ignore[assignment]
        assert job.thread is not None
        job.thread.start()
        return job

    def reinforce(self, train_kwargs: dict[str, Any]) -> ReinforceJob:
        """Have the provider begin reinforcement learning, with `train_kwargs` for it.

        Returns:
            The job, ready for its first step.

        Raises:
            LMUnsupportedFeatureError: the provider does not offer it.
        """
        if not self.provider.reinforceable:
            raise LMUnsupportedFeatureError(
                f"Provider {self.provider} does not implement the reinforcement learning interface.",
                model=self.model,
                features=["reinforce"],
            )
        job = self.provider.ReinforceJob(lm=self, train_kwargs=train_kwargs)  # type: ignore[arg-type]
        job.initialize()
        return job

    def _run_finetune_job(self, job: TrainingJob) -> None:
        try:
            model = self.provider.finetune(
                job=job,
                model=job.model or self.model,
                train_data=job.train_data or [],
                train_data_format=job.train_data_format,
                train_kwargs=job.train_kwargs,
            )
            result: Any = self.copy(model=model)  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - the job's own result, as in DSPy
            if not job.cancelled():
                logger.error("Fine-tuning %s failed: %s", job.model, error)
            result = error
        with suppress(InvalidStateError):  # it was cancelled meanwhile
            job.set_result(result)
