"""What a handle on any durable run can do: it has an id and a status, and can be watched."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from dspex.temporal.reconnect import FOR_EVER, with_reconnects

P = TypeVar("P")

_WATCH_EVERY_S = 0.5


class RunHandle(ABC, Generic[P]):
    """A durable run whose progress is a `P`."""

    _handle: WorkflowHandle[Any, Any]

    @property
    def id(self) -> str:
        return self._handle.id

    async def status(self) -> WorkflowExecutionStatus | None:
        """Temporal's word for the run's state."""
        return (await with_reconnects(self._handle.describe, tries=FOR_EVER)).status

    async def is_under_way(self) -> bool:
        return await self.status() is WorkflowExecutionStatus.RUNNING

    @abstractmethod
    async def progress(self) -> P:
        """How the run is doing. Answered by a worker: without one, the message says so."""

    async def watch(self, every: float = _WATCH_EVERY_S) -> AsyncIterator[P]:
        """Progress, whenever it has changed, until the run ends. Goes on when the server restarts."""
        last: P | None = None
        while await self.is_under_way():
            progress = await self.progress()
            if progress != last:
                yield progress
                last = progress
            await asyncio.sleep(every)
