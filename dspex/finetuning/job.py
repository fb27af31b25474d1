"""A job as the provider describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspex.clients.utils_finetune import TrainingStatus
from dspex.errors import LMUnexpectedError

SUCCEEDED = "succeeded"
LOST = ("failed", "cancelled")

_STATUSES = {
    "validating_files": TrainingStatus.pending,
    "queued": TrainingStatus.pending,
    "running": TrainingStatus.running,
    "succeeded": TrainingStatus.succeeded,
    "failed": TrainingStatus.failed,
    "cancelled": TrainingStatus.cancelled,
}


@dataclass(frozen=True, slots=True)
class FinetuningJob:
    """A fine-tuning job. Times are Unix seconds; `error` is the provider's own words, for one that failed."""

    id: str
    status: str
    model: str
    training_file: str
    created_at: float
    fine_tuned_model: str | None
    trained_tokens: int | None
    estimated_finish: float | None
    error: str
    suffix: str | None
    metadata: Mapping[str, str] | None
    """None from a server that does not know metadata."""

    @property
    def lost(self) -> bool:
        """Whether it has ended without a model."""
        return self.status in LOST

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.lost or self.status == SUCCEEDED

    @property
    def training_status(self) -> TrainingStatus:
        """DSPy's word for its status."""
        return training_status(self.status)


def training_status(word: str) -> TrainingStatus:
    """DSPy's word for a provider's. One that is not known (``paused``) means that the job has not ended."""
    return _STATUSES.get(word, TrainingStatus.pending)


def job_of(data: Any) -> FinetuningJob:
    """The job that a server's JSON describes.

    Raises:
        LMUnexpectedError: it describes none.
    """
    if not isinstance(data, dict) or not data.get("id") or not data.get("status"):
        raise LMUnexpectedError(f"The answer describes no fine-tuning job: {str(data)[:300]}")
    metadata = data.get("metadata")
    return FinetuningJob(
        id=str(data["id"]),
        status=str(data["status"]),
        model=str(data.get("model") or ""),
        training_file=str(data.get("training_file") or ""),
        created_at=float(data.get("created_at") or 0.0),
        fine_tuned_model=data.get("fine_tuned_model") or None,
        trained_tokens=data.get("trained_tokens"),
        estimated_finish=data.get("estimated_finish"),
        error=_words(data.get("error")),
        suffix=data.get("user_provided_suffix") or data.get("suffix"),
        metadata=metadata if isinstance(metadata, dict) else None,
    )


def _words(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error or "")
    message, code, param = error.get("message"), error.get("code"), error.get("param")
    about = ", ".join(str(each) for each in (code, param) if each)
    return f"{message} ({about})" if message and about else str(message or about)
