"""`Provider`: who can launch a model, train it, and tell how the training goes. For subclasses; names are DSPy's."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread
from typing import Any

from dspex.clients.calls.call import LMOptions
from dspex.clients.utils_finetune import TrainDataFormat

Data = list[dict[str, Any]]


class TrainingJob(Future[Any]):
    """A fine-tuning under way. Its result is the LM that is trained, or the exception that ended it."""

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
        """Give the job up. A subclass tells its provider first."""
        return super().cancel()

    def status(self) -> Any:
        """How the provider says it goes. For subclasses."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its training goes")


class ReinforceJob:
    """A training by rewards, step by step. For subclasses."""

    def __init__(self, lm: LMOptions, train_kwargs: dict[str, Any] | None = None) -> None:
        self.lm = lm
        self.train_kwargs = train_kwargs or {}
        self.checkpoints: dict[str, Any] = {}
        self.last_checkpoint: str | None = None

    def initialize(self) -> None:
        """Get ready for the first step."""
        raise NotImplementedError

    def step(self, train_data: Data, train_data_format: TrainDataFormat | str | None = None) -> None:
        """Train on `train_data`."""
        raise NotImplementedError

    def terminate(self) -> None:
        """Let go of what the training holds."""
        raise NotImplementedError

    def save_checkpoint(self, checkpoint_name: str) -> None:
        """Keep the model as it is now under a name."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Give the training up."""
        raise NotImplementedError

    def status(self) -> Any:
        """How the provider says it goes."""
        raise NotImplementedError


class Provider:
    """Launches, kills and trains models. This one does nothing; a subclass says what it can (`finetunable`, ...)."""

    def __init__(self) -> None:
        self.finetunable = False
        self.reinforceable = False
        self.TrainingJob: type[TrainingJob] = TrainingJob
        self.ReinforceJob: type[ReinforceJob] = ReinforceJob

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether `model` is one of this provider's."""
        return False

    @staticmethod
    def launch(lm: LMOptions, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Make `lm` ready to be called; it may be so already."""

    @staticmethod
    def kill(lm: LMOptions, launch_kwargs: dict[str, Any] | None = None) -> None:
        """Undo `launch`; there may be nothing to undo."""

    @staticmethod
    def finetune(
        job: TrainingJob,
        model: str,
        train_data: Data,
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Train `model`, and return the name of the model that comes out. Runs in a thread, and may take hours."""
        raise NotImplementedError
