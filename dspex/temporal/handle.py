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
        """The run's id, which is its workflow's."""
        return self._handle.id

    async def status(self) -> WorkflowExecutionStatus | None:
        """Return Temporal's status of the run."""
        return (await with_reconnects(self._handle.describe, tries=FOR_EVER)).status

    async def is_under_way(self) -> bool:
        """Whether the run is in progress."""
        return await self.status() is WorkflowExecutionStatus.RUNNING

    @abstractmethod
    async def progress(self) -> P:
        """Return the run's progress. A worker answers; without one, the message says so."""

    async def watch(self, every: float = _WATCH_EVERY_S) -> AsyncIterator[P]:
        """Iterate over the run's progress, whenever it has changed, until the run ends. Goes on after a restart of the
        server.

        Args:
            every: Seconds between two looks.
        """
        last: P | None = None
        while await self.is_under_way():
            progress = await self.progress()
            if progress != last:
                yield progress
                last = progress
            await asyncio.sleep(every)
