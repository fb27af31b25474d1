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
    """Where a request stands, and whose it is.

    `attempts` are batches that ended without an answer to it; the error is of a refused one.
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
    """A batch. `requests` are in it, `done` of which the provider has dealt with as far as we know."""

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
class Waiting:
    """A request that waits for a batch, without its body, which may be long."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Intended:
    """A batch that was written down: how many `requests` are in it, and whose budget lacked the room for more."""

    requests: int
    lacking: BudgetExhausted | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the provider does not accept, in its own words."""

    key: str
    status: int
    body: bytes
