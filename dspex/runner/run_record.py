"""A run of this process in the store's list of runs, so that `dspex runs` knows it too."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dspex.errors import StoreError

if TYPE_CHECKING:
    from dspex.cli.output.summary import Summary
    from dspex.store import Store
    from dspex.store.records.bill import Bill

logger = logging.getLogger(__name__)

BEAT_S = 10.0
"""How often a running run says so: one that has not for much longer has been killed."""


class LocalRecord:
    """The record of one local run. Nothing is written before `begin`: bad input leaves no trace."""

    def __init__(self, store: Store, run_id: str, optimizer: str, program: str) -> None:
        self.store = store
        self.run_id = run_id
        self._facts: dict[str, Any] = {"optimizer": optimizer, "program": program, "started_at": time.time()}
        self._ended = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    def begin(self) -> bool:
        """The run is under way; False if it was already. On the engine's event loop only."""
        if self._beating is not None:
            return False
        self._beating = asyncio.create_task(self._beat())
        return True

    async def complete(self, summary: Summary, program: str | None) -> None:
        """The run is done; its program is in the store at `program`."""
        result = {**asdict(summary), "program": program}
        await self._end("completed", score=summary.score, baseline=summary.baseline_score, result=result)

    async def abandon(self, status: str, error: BaseException | None = None) -> Bill:
        """The run ended early. What is under way is finished first, for ten seconds at most, because it is paid."""
        from dspex.clients import drain

        await drain(10.0)
        if self._beating is not None:
            await self._end(status, result={"error": str(error)} if error else None)
        return await self.store.ledger.bill(self.run_id)

    async def _end(self, status: str, **fields: Any) -> None:
        self._ended.set()
        if self._beating is not None:
            await self._beating
        await self.store.runs.upsert(self.run_id, status, finished_at=time.time(), **self._facts, **fields)

    async def _beat(self) -> None:
        while not self._ended.is_set():
            try:
                await self.store.runs.upsert(self.run_id, "running", **self._facts)
            except StoreError as error:
                logger.warning("The run could not be written down: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), BEAT_S)
