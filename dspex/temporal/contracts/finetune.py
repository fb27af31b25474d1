"""What travels for a fine-tuning run. As in `contracts`: durable schemas, references and not data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dspex.finetuning.polling import Polling
from dspex.store.records.dataset import DatasetRef
from dspex.temporal.contracts.optimize import RunLabels, Sha

FINETUNE = "FinetuneModel"
UPLOAD_TRAINING_FILE = "upload_training_file"
CREATE_FINETUNE_JOB = "create_finetune_job"
LOOK_AT_FINETUNE_JOB = "look_at_finetune_job"
CANCEL_FINETUNE_JOB = "cancel_finetune_job"


class FileRef(BaseModel):
    """The training file: the hash of its bytes, their number, its examples; and its id at the provider, once known."""

    sha: str
    size: int
    rows: int
    id: str | None = None


class FinetuneSpec(BaseModel):
    """All that a worker must know. Kept in the store under its hash; the LM is without its key."""

    run_id: str
    lm: dict[str, Any]
    model: str
    data: DatasetRef
    data_format: str
    train_kwargs: dict[str, Any] = {}


class FinetuneJob(BaseModel):
    """Input of `FinetuneModel`. What is below `polling` is filled in by continue-as-new."""

    model_config = ConfigDict(populate_by_name=True)
    run_id: str
    spec: Sha
    file: FileRef
    labels: RunLabels = RunLabels()
    polling: Polling = Polling()
    job_id: str | None = None
    began: float | None = None
    """When the wait began, in Unix seconds by the server's clock."""
    first_execution_id: str = Field("", alias="epoch")
    """Names this start of the run: a job that failed for an earlier start is asked for again."""


class FinetuneTask(BaseModel):
    """Input of the activities: which run, and what of it is known."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    run_id: str
    spec: Sha
    file: FileRef
    first_execution_id: str = Field(alias="epoch")
    job_id: str | None = None


class JobState(BaseModel):
    """How the provider's job goes. Names the run it answers. `events` are the provider's last few words."""

    run_id: str
    job_id: str | None = None
    status: str = ""
    over: bool = False
    model: str | None = None
    trained_tokens: int | None = None
    cost_usd: float | None = None
    error: str = ""
    estimated_finish: float | None = None
    events: list[str] = []


class FinetuneResult(BaseModel):
    """The result of a fine-tuning. `model` is the name to make an LM of; `cost_usd` is None where no price is known."""

    run_id: str
    model: str
    base_model: str
    job_id: str
    file_id: str
    examples: int
    trained_tokens: int | None = None
    cost_usd: float | None = None


class FinetuneProgress(BaseModel):
    """How a fine-tuning run is doing; the answer to its `progress` query."""

    run_id: str
    phase: str
    """``waiting`` (for a worker), ``uploading``, ``creating``, or the provider's own word for its job's status."""
    message: str = ""
    file_id: str | None = None
    job_id: str | None = None
    trained_tokens: int | None = None
    estimated_finish: float | None = None
    events: list[str] = []
