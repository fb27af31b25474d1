"""The record of a run of this process in the store, so that `dspex runs` knows it too."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from dspex.errors import StoreError
from dspex.store import Store
from dspex.store.jsonable import encode, sha256
from dspex.store.records.run_summary import RunSummary

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""How often a running run says so: one that has not for much longer has been killed."""

_FIRST_HEARTBEAT_S = 0.5
"""Shorter runs write their end only."""

_LAST_WRITE_S = 0.05
"""How long a caller waits for the record of its run, mostly in vain if the store is not open yet. By then the store's
threads have it, and finish what they have even when the process ends."""

_being_written: set[asyncio.Future[None]] = set()


class RunRecorder:
    """Keeps the record of one local run. Nothing is written before `begin`: bad input leaves no trace.

    All methods must be called on the engine's event loop.

    Args:
        store: The store.
        run_id: The run.
        optimizer: The optimizer's name, or ``"evaluate"``.
        program: The program's label.
    """

    def __init__(self, store: Store, run_id: str, optimizer: str, program: str) -> None:
        self.store = store
        self.run_id = run_id
        self._facts: dict[str, Any] = {"optimizer": optimizer, "program": program, "started_at": time.time()}
        self._heartbeats: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether `begin` was called."""
        return self._heartbeats is not None

    def begin(self) -> None:
        """Note that the run has begun; from now on its record gets a heartbeat."""
        if self._heartbeats is None:
            self._heartbeats = asyncio.create_task(self._heartbeat())

    async def complete(self, summary: RunSummary, document: dict[str, Any] | None = None) -> None:
        """Record that the run is done.

        Args:
            summary: Its score and cost.
            document: Its program, which is put into the store too.

        Raises:
            StoreError: the store cannot be written.
        """
        program = sha256(encode(document)) if document is not None else None
        result = {**asdict(summary), "program": program}
        fields = {"score": summary.score, "baseline": summary.baseline_score, "result": result}
        await self._end("completed", fields, document)

    async def abandon(self, status: str, summary: RunSummary | None = None, error: BaseException | None = None) -> None:
        """Record that the run ended without a result.

        Args:
            status: ``"failed"`` or ``"interrupted"``.
            summary: Its cost, where it is known.
            error: Why it failed.

        Raises:
            StoreError: the store cannot be written.
        """
        said = {"error": str(error)} if error is not None else {}
        result = {**(asdict(summary) if summary is not None else {}), **said}
        await self._end(status, {"result": result or None})

    async def _end(self, status: str, fields: dict[str, Any], document: dict[str, Any] | None = None) -> None:
        if self._heartbeats is None:
            return
        self._ended.set()
        await self._heartbeats  # an earlier word must not come after the last
        last = self.store.runs.upsert(self.run_id, status, finished_at=time.time(), **self._facts, **fields)
        if document is None:
            await last
        else:
            await asyncio.gather(self.store.programs.put(document), last)

    async def _heartbeat(self) -> None:
        pause, warned = _FIRST_HEARTBEAT_S, False
        while not await self._is_over_within(pause):
            pause = HEARTBEAT_S
            try:
                await self.store.runs.upsert(self.run_id, "running", **self._facts)
            except StoreError as error:
                if not warned:
                    logger.warning("The run could not be written down: %s", error)
                warned = True

    async def _is_over_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()


async def write_in_background(writing: Coroutine[Any, Any, None]) -> None:
    """Start writing the end of a record, which goes on by itself, also when the process ends meanwhile.

    A store that cannot be written makes a warning only: the run itself did not need it.
    """
    task = asyncio.ensure_future(_written_or_warned(writing))
    _being_written.add(task)
    task.add_done_callback(_being_written.discard)
    await asyncio.wait([task], timeout=_LAST_WRITE_S)


async def _written_or_warned(writing: Coroutine[Any, Any, None]) -> None:
    try:
        await writing
    except StoreError as error:
        logger.warning("The run could not be written down: %s", error)
