"""`Provider`: launches models, trains them and reports on the training. For subclasses; the names are DSPy's."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread
from typing import Any

from dspex.clients.calls.call import LMOptions
from dspex.clients.utils_finetune import TrainDataFormat

Data = list[dict[str, Any]]


class TrainingJob(Future[Any]):
    """A fine-tuning in progress. Its result is the trained LM, or the exception that ended the training.

    Args:
        thread: The thread that waits for the provider.
        model: The name of the model to train.
        train_data: The examples, one dict each, in `train_data_format`.
        train_data_format: Which of the provider's formats the examples have.
        train_kwargs: Arguments for the provider, such as the number of epochs.
    """

    lm: LMOptions | None = None
    """Whose job it is: where its model is served, and with which key. Set by `LM.finetune`."""

    def __init__(
        self,
        thread: Thread | None = None,
        model: str | None = None,
        train_data: Data | None = None,
        train_data_format: TrainDataFormat | None = None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.thread = thread
        self.model = model
        self.train_data = train_data
        self.train_data_format = train_data_format
        self.train_kwargs = train_kwargs or {}

    def cancel(self) -> bool:
        """Cancel the job. A subclass first cancels it at its provider."""
        return super().cancel()

    def status(self) -> Any:
        """Ask the provider for the state of the training. Subclasses implement it.

        Raises:
            NotImplementedError: this class does not.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its training goes")


class ReinforceJob:
    """A reinforcement learning job, step by step. Subclasses implement its methods.

    Args:
        lm: The LM to train.
        train_kwargs: Arguments for the provider.
    """

    def __init__(self, lm: LMOptions, train_kwargs: dict[str, Any] | None = None) -> None:
        self.lm = lm
        self.train_kwargs = train_kwargs or {}
        self.checkpoints: dict[str, Any] = {}
        self.last_checkpoint: str | None = None

    def initialize(self) -> None:
        """Get ready for the first step."""
        raise NotImplementedError

    def step(self, train_data: Data, train_data_format: TrainDataFormat | str | None = None) -> None:
        """Train on one batch of rewarded answers.

        Args:
            train_data: The groups of answers with their rewards (`dspex.clients.utils_finetune.GRPOGroup`).
            train_data_format: Which of the provider's formats they have. None: its default.

        Raises:
            NotImplementedError: a subclass has to implement it.
        """
        raise NotImplementedError

    def terminate(self) -> None:
        """Release what the training holds."""
        raise NotImplementedError

    def save_checkpoint(self, checkpoint_name: str) -> None:
        """Save the model as it is now, under `checkpoint_name`.

        Raises:
            NotImplementedError: a subclass has to implement it.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Cancel the training."""
        raise NotImplementedError

    def status(self) -> Any:
        """Ask the provider for the state of the training."""
        raise NotImplementedError


class Provider:
    """Launches, kills and trains models. This one does nothing; a subclass sets what it can (`finetunable`, ...)."""

    def __init__(self) -> None:
        self.finetunable = False
        self.reinforceable = False
        self.TrainingJob: type[TrainingJob] = TrainingJob
        self.ReinforceJob: type[ReinforceJob] = ReinforceJob

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Tell whether `model` is one of this provider's."""
        return False

    @staticmethod
    def launch(lm: LMOptions, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Make `lm` ready to be called, unless it already is.

        Args:
            lm: The LM.
            launch_kwargs: Arguments for the server, such as its port.
        """

    @staticmethod
    def kill(lm: LMOptions, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Undo `launch`, if there is anything to undo.

        Args:
            lm: The LM.
            launch_kwargs: The arguments that `launch` was given.
        """

    @staticmethod
    def finetune(
        job: TrainingJob,
        model: str,
        train_data: Data,
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Train `model`. Runs in a thread, and may take hours.

        Args:
            job: The job, for the provider to note its ids in, and to look whether it is cancelled.
            model: The name of the model to train.
            train_data: The examples, one dict each, in `train_data_format`.
            train_data_format: Which of the provider's formats the examples have.
            train_kwargs: Arguments for the provider, such as the number of epochs.

        Returns:
            The name of the trained model.

        Raises:
            NotImplementedError: the provider does not train.
        """
        raise NotImplementedError
