"""What the store remembers of an order: that a job was about to be asked for, which one it is, how it went.

It is kept as a run's record, so that `dspex runs list` shows it. One process at a time acts on an order: it holds a
claim on it, which lapses by itself when the process dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel

from dspex.store.records.ledger import Won

if TYPE_CHECKING:
    from dspex.finetuning.order import Order
    from dspex.store import Store

KIND = "finetune"
"""What a fine-tuning has in the place of a run's optimizer."""

_POLL_S = 0.25
_SETTLED = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled"}


class Entry(BaseModel):
    """How far an order has come. It is written before a job is asked for: from then on there may be one."""

    digest: str
    base_url: str
    model: str
    examples: int
    starter: str
    """Who asked last: a run's start, or a call in some process."""
    file_id: str | None = None
    job_id: str | None = None
    status: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    cost_usd: float | None = None
    error: str = ""


class Journal:
    """The entry of one order in a store. `workflow_id` is the durable run that acts on it, if it is one."""

    def __init__(self, store: Store, order: Order, workflow_id: str | None = None) -> None:
        self._store = store
        self._order = order
        self._workflow_id = workflow_id

    async def read(self) -> Entry | None:
        record = await self._store.runs.get(self._order.run_id)
        return Entry.model_validate(record.result) if record is not None and record.result else None

    async def write(self, entry: Entry) -> None:
        await self._store.runs.upsert(
            self._order.run_id,
            _SETTLED.get(entry.status or "", "training"),
            optimizer=KIND,
            program=entry.model,
            workflow_id=self._workflow_id,
            result=entry.model_dump(),
        )

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Inside the block no other process that uses this store acts on the order."""
        key, ledger = f"finetune/{self._order.digest}", self._store.ledger
        while True:
            if isinstance(await ledger.claim(key), Won):
                break
            await asyncio.sleep(_POLL_S)
        try:
            yield
        finally:
            await ledger.release(key)
