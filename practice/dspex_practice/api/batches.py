"""Batches: many requests answered in time, in no provider's format. Each line has its own success or failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import Any

from dspex_practice.api.wait import stopped_before
from dspex_practice.model.errors import Reason, RefusedError


class State(Enum):
    """How far a batch has come."""

    NEW = "new"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DONE = "done"
    FAILED = "failed"
    """Nothing was answered: the input was wrong."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will be answered."""
        return self in (State.CANCELLED, State.DONE, State.FAILED)


@dataclass(frozen=True, slots=True)
class BatchInput:
    """One request; `answer` answers it with a status and a body."""

    key: str
    answer: Callable[[], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The answer to one request of a batch: an HTTP status and a body."""

    key: str
    status: int
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the request was answered without an error."""
        return self.status == 200


@dataclass(slots=True)
class StoredBatch:
    """One batch. `about` is what only its provider's format has."""

    id: str
    created: float
    lines: Sequence[BatchInput]
    about: dict[str, Any]
    state: State = State.NEW
    results: list[BatchResult] = field(default_factory=list)
    ended: float | None = None
    cancel_asked: float | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    """Why it failed."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def good(self) -> int:
        """How many requests were answered without an error."""
        return sum(result.good for result in self.results)

    @property
    def bad(self) -> int:
        """How many requests were answered with an error."""
        return len(self.results) - self.good


class BatchStore:
    """Batches by id, worked off one line after another. `seconds` is how long each takes; `now` the time of day."""

    def __init__(self, prefix: str, seconds: float, now: Callable[[], float]) -> None:
        self._prefix = prefix
        self._seconds = seconds
        self._now = now
        self._made = 0
        self._batches: dict[str, StoredBatch] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    def start(
        self, lines: Sequence[BatchInput], about: dict[str, Any], problems: Sequence[dict[str, Any]] = ()
    ) -> StoredBatch:
        """Begin a batch; with `problems` it fails at once."""
        self._made += 1
        digest = blake2b(f"{self._made} {[line.key for line in lines]}".encode(), digest_size=12).hexdigest()
        batch = StoredBatch(f"{self._prefix}{digest}", self._now(), lines, about, problems=list(problems))
        self._batches[batch.id] = batch
        task = asyncio.get_running_loop().create_task(self._work(batch))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return batch

    def get(self, batch_id: str) -> StoredBatch:
        """A batch.

        Raises:
            RefusedError: if there is none of that id.
        """
        if batch_id not in self._batches:
            raise RefusedError(Reason.NO_SUCH, f"No batch found with id '{batch_id}'.", param="id")
        return self._batches[batch_id]

    def all(self) -> list[StoredBatch]:
        """Newest first."""
        return list(self._batches.values())[::-1]

    def cancel(self, batch_id: str) -> StoredBatch:
        """Answer no more lines of a batch. Lines that were answered keep their answers."""
        batch = self.get(batch_id)
        if not batch.state.ended:
            batch.state = State.CANCELLING
            batch.cancel_asked = self._now()
            batch.stop.set()
        return batch

    def delete(self, batch_id: str) -> None:
        """Delete a batch that has ended.

        Raises:
            RefusedError: if there is none of that id, or it has not ended.
        """
        if not self.get(batch_id).state.ended:
            raise RefusedError(Reason.BAD_REQUEST, "A batch that is being processed cannot be deleted.")
        del self._batches[batch_id]

    async def _work(self, batch: StoredBatch) -> None:
        if not batch.problems:
            batch.state = State.RUNNING if batch.state is State.NEW else batch.state
            for place, line in enumerate(batch.lines):
                due = batch.created + self._seconds * (place + 1) / len(batch.lines)
                if await stopped_before(due, batch.stop, self._now):
                    break
                status, body = line.answer()
                batch.results.append(BatchResult(line.key, status, body))
        batch.ended = self._now()
        ended = State.CANCELLED if batch.stop.is_set() else State.DONE
        batch.state = State.FAILED if batch.problems else ended
