"""Score some rows of a data set."""

from __future__ import annotations

import time

from temporalio import activity

from dspex.errors import BudgetExceededError
from dspex.runner.examples import ExampleStep, evaluate_example
from dspex.temporal.contracts.optimize import EVALUATE_CHUNK, EvaluateChunk, EvaluateChunkResult
from dspex_activities.rows import ChunkRows
from dspex_activities.run_cache import RunCache
from dspex_activities.work import RETRY_POLICY, ChunkProgress, perform


class EvaluateChunks:
    """The activity `evaluate_chunk`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=EVALUATE_CHUNK)
    async def evaluate_chunk(self, chunk: EvaluateChunk) -> EvaluateChunkResult:
        """Score rows ``start <= i < stop``."""
        progress = ChunkProgress()
        return await perform(self._evaluate(chunk, progress), progress)

    async def _evaluate(self, chunk: EvaluateChunk, progress: ChunkProgress) -> EvaluateChunkResult:
        began = time.monotonic()
        run = await self._cache.run(chunk.spec)
        rows = ChunkRows(run, chunk.first_execution_id, chunk.path, chunk.data, range(chunk.start, chunk.stop))
        progress.of(rows)
        step = ExampleStep(
            run_id=chunk.run_id, path=chunk.path, metric=run.metric, retry_policy=RETRY_POLICY, keep_predictions=True
        )
        out_of_budget = ""
        try:
            await rows.work_through(chunk.candidate, evaluate_example, step)
        except BudgetExceededError as error:
            out_of_budget = str(error)
        return _result(chunk, rows, run.spec.failure_score, time.monotonic() - began, out_of_budget)


def _result(
    chunk: EvaluateChunk, rows: ChunkRows, failure_score: float, seconds: float, out_of_budget: str
) -> EvaluateChunkResult:
    total, failed = rows.scored(failure_score)
    return EvaluateChunkResult(
        path=chunk.path,
        start=chunk.start,
        stop=chunk.stop,
        total=str(total),
        n_failed=failed,
        calls_from_ledger=rows.usage.calls_from_ledger,
        seconds=round(seconds, 3),
        out_of_budget=out_of_budget,
    )
