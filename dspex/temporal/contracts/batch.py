"""What travels between client, workflow and activities of an evaluation through a provider's batch API.

Durable schemas, as those in `contracts`: fields are only ever added, with defaults.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from dspex.temporal.contracts.optimize import Chunking, EvaluateChunk, EvaluateChunkResult, EvaluateJob, Sha

EVALUATE_BY_BATCH = "EvaluateByBatch"
INSPECT_BATCHES = "inspect_batches"
COLLECT_CHUNK = "collect_chunk"
TEND_BATCHES = "tend_batches"
CANCEL_BATCHES = "cancel_batches"


class BatchOptions(BaseModel):
    """How long to wait for what. Times are in seconds.

    Batches are looked at after `first_look`, then ever more seldom, up to `longest_look`. After `attempts` batches
    without an answer a call is made as an ordinary one, and after `most_waves` waves all are. `settle` is how long a
    chunk goes on when all of its rows wait. `uncertain` is how long a batch may still appear at the provider whose
    creation was not answered (default: a little more than a creation may take).
    """

    first_look: float = 5.0
    longest_look: float = 120.0
    growth: float = 1.5
    attempts: int = 3
    most_waves: int = 32
    settle: float = 0.5
    uncertain: float | None = None
    longest_cancellation: float = 900.0

    def next_look(self, seconds: float) -> float:
        return min(seconds * self.growth, self.longest_look)


BATCH_CHUNKING = Chunking(first=128, largest=1024, target_seconds=10.0, in_flight=4)
"""Rows that wait for batches are run many at once, and are soon done with."""


class EvaluateByBatchJob(EvaluateJob):
    """Input of `EvaluateByBatch`. The last fields are filled in by continue-as-new."""

    chunking: Chunking = BATCH_CHUNKING
    options: BatchOptions = BatchOptions()
    wave: int = 1
    tending: bool = False
    """The rows of this wave have been run, and their batches are in progress."""
    waiting: int = 0
    """Rows of this wave that wait."""
    own: int = 0
    """Calls of this wave that were answered by what the run has paid for."""
    answered: int = 0
    """Answers that batches of this run have brought so far, and `answered_before` the last wave."""
    answered_before: int = 0


class CollectChunk(EvaluateChunk):
    """Input of `collect_chunk`: run rows as far as they come. With `ordinary` calls are made as usual."""

    settle: float
    attempts: int
    ordinary: bool = False


class CollectChunkResult(EvaluateChunkResult):
    """`total` and `n_failed` are of the rows that are done; `waiting` rows are not."""

    waiting: int
    own: int


class BatchTask(BaseModel):
    """Input of `inspect_batches`, `tend_batches` and `cancel_batches`."""

    model_config = ConfigDict(frozen=True)
    spec: Sha
    owner: str
    attempts: int = 3
    uncertain: float | None = None
    submit: bool = True
    """Whether to submit waiting requests. If False and no batch is in progress, the owner's requests are deleted."""


class BatchReport(BaseModel):
    """How the batches of an owner are doing. `answered` and `refused` are of all of them so far."""

    owner: str
    under_way: int = 0
    requests: int = 0
    done: int = 0
    answered: int = 0
    refused: int = 0
    moved: bool = False
    trouble: str = ""
    lacking: str = ""
    """Why some calls are not submitted: the run's budget does not suffice for them at present."""
