"""Run some rows as far as they come without an answer from a provider's batch API."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from temporalio import activity

from dspex.clients.batch.credentials import Credentials
from dspex.clients.batch.partial_execution import PartialExecution
from dspex.clients.batch.requests import BatchRequests
from dspex.clients.calls.batch_collector import collecting
from dspex.clients.calls.scope import Usage
from dspex.errors import BudgetExceededError
from dspex.runner.examples import ExampleStep, evaluate_example
from dspex.store.records.outcome import Outcome
from dspex.temporal.contracts.batch import COLLECT_CHUNK, CollectChunk, CollectChunkResult
from dspex_activities.batches import owner_of
from dspex_activities.rows import ChunkRows, Job
from dspex_activities.run_cache import RunCache
from dspex_activities.work import RETRY_POLICY, ChunkProgress, perform


class CollectChunks:
    """The activity `collect_chunk`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=COLLECT_CHUNK)
    async def collect_chunk(self, chunk: CollectChunk) -> CollectChunkResult:
        """Run rows ``start <= i < stop``; the calls that are not in the ledger are written down for a batch."""
        progress = ChunkProgress()
        return await perform(self._collect(chunk, progress), progress)

    async def _collect(self, chunk: CollectChunk, progress: ChunkProgress) -> CollectChunkResult:
        began = time.monotonic()
        run = await self._cache.run(chunk.spec)
        owner = owner_of(chunk.run_id, chunk.first_execution_id, chunk.path)
        requests = BatchRequests(run.store, owner, Credentials(), durable=True, attempts=chunk.attempts)
        execution = PartialExecution(requests, settle_seconds=chunk.settle, ordinary=chunk.ordinary)
        rows = _PartialRows(
            execution, run, chunk.first_execution_id, chunk.path, chunk.data, range(chunk.start, chunk.stop)
        )
        progress.of(rows)
        step = ExampleStep(
            run_id=chunk.run_id, path=chunk.path, metric=run.metric, retry_policy=RETRY_POLICY, keep_predictions=True
        )
        out_of_budget = ""
        try:
            with collecting(execution):
                await rows.work_through(chunk.candidate, evaluate_example, step)
        except BudgetExceededError as error:
            out_of_budget = str(error)
        result = _result(chunk, rows, execution, run.spec.failure_score)
        return result.model_copy(update={"seconds": round(time.monotonic() - began, 3), "out_of_budget": out_of_budget})


class _PartialRows(ChunkRows):
    """Rows of which some may be left waiting for a batch."""

    def __init__(self, execution: PartialExecution, *rows: Any) -> None:
        super().__init__(*rows)
        self._execution = execution

    def _results(self, jobs: Iterable[Job]) -> AsyncGenerator[tuple[Outcome, Usage], None]:
        return self._execution.run(jobs)


def _result(
    chunk: CollectChunk, rows: ChunkRows, execution: PartialExecution, failure_score: float
) -> CollectChunkResult:
    total, failed = rows.scored(failure_score)
    return CollectChunkResult(
        path=chunk.path,
        start=chunk.start,
        stop=chunk.stop,
        total=str(total),
        n_failed=failed,
        calls_from_ledger=rows.usage.calls_from_ledger,
        seconds=0.0,
        waiting=execution.suspended,
        own=execution.own,
    )
