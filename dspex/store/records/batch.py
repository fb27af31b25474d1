"""Batches of LM calls, and the requests in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dspex.store.records.budget import BudgetExhausted, CostUpperBound

Status = Literal["intent", "open", "done", "void"]

RequestStatus = Literal["waiting", "assigned", "refused", "answered"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A call to be made by a batch.

    `target` says where (`dspex.clients.batch.target`), `payer` is the run that pays, `most` the most that it may have
    to, `predictor` who calls.
    """

    key: str
    target: str
    body: bytes
    payer: str | None
    most: CostUpperBound
    predictor: str | None = None


@dataclass(frozen=True, slots=True)
class RequestState:
    """The state of a request, and its owner.

    `attempts` are batches that ended without an answer to it; the error is that of a refused request.
    """

    key: str
    owner: str
    status: RequestStatus
    batch: str | None
    attempts: int
    error_status: int | None
    error: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of `requests` calls, of which the provider had processed `done` when it was polled last. Times are Unix
    time.
    """

    id: str
    owner: str
    target: str
    status: Status
    requests: int
    done: int
    answered: int
    refused: int
    input_id: str | None
    provider_id: str | None
    sent_at: float | None
    opened_at: float | None
    looked_at: float | None
    error: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that waits for a batch: its key, and the size of its body in bytes, without the body itself."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """A batch that was written down: the number of its `requests`, and a budget that cannot cover more (`lacking`)."""

    requests: int
    lacking: BudgetExhausted | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the provider does not accept, with its HTTP status and response body."""

    key: str
    status: int
    body: bytes
