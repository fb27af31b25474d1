"""What the store keeps of a fine-tuning job: that it was about to be created, its id, and how it is doing.

A job's record is that of a run, so `dspex runs list` shows it. One process at a time creates a job: it holds a claim on
the job's spec, which lapses by itself when the process dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel

from dspex.store.records.ledger import Won

if TYPE_CHECKING:
    from dspex.finetuning.job_spec import JobSpec
    from dspex.store import Store

KIND = "finetune"
"""What the record of a fine-tuning has for its run's optimizer."""

_POLL_S = 0.25
_SETTLED = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled"}


class JobRecord(BaseModel):
    """How far a job has come. Written before the job is created: from then on the provider may have it.

    Attributes:
        digest: The digest of its `JobSpec`.
        base_url: The address of the API.
        model: The provider's own name of the model to train.
        examples: Rows of the training file.
        starter: The start that asked for the job last: of a durable run, or of a call in some process.
        file_id: The provider's id of the training file.
        job_id: The provider's id of the job.
        status: The provider's word for how it is doing.
        fine_tuned_model: The provider's name of the trained model.
        trained_tokens: Tokens that the provider bills.
        cost_usd: US dollars; None without a known price.
        error: The provider's words, if the job failed.
    """

    digest: str
    base_url: str
    model: str
    examples: int
    starter: str
    file_id: str | None = None
    job_id: str | None = None
    status: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    cost_usd: float | None = None
    error: str = ""


class JobRecordStore:
    """The record of one job in a store.

    Args:
        store: The store.
        spec: The job.
        workflow_id: The durable run that works on the job, if there is one.
    """

    def __init__(self, store: Store, spec: JobSpec, workflow_id: str | None = None) -> None:
        self._store = store
        self._spec = spec
        self._workflow_id = workflow_id

    async def read(self) -> JobRecord | None:
        """The record; None if there is none yet."""
        run = await self._store.runs.get(self._spec.run_id)
        return JobRecord.model_validate(run.result) if run is not None and run.result else None

    async def write(self, record: JobRecord) -> None:
        """Write the record, in place of an earlier one."""
        await self._store.runs.upsert(
            self._spec.run_id,
            _SETTLED.get(record.status or "", "training"),
            optimizer=KIND,
            program=record.model,
            workflow_id=self._workflow_id,
            result=record.model_dump(),
        )

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Inside the block no other process that uses this store works on the job."""
        key, ledger = f"finetune/{self._spec.digest}", self._store.ledger
        while True:
            if isinstance(await ledger.claim(key), Won):
                break
            await asyncio.sleep(_POLL_S)
        try:
            yield
        finally:
            await ledger.release(key)
