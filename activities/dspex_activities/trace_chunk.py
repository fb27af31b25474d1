"""Try some examples with a teacher, and keep the demos of the traces that pass."""

from __future__ import annotations

from temporalio import activity

from dspex.errors import BudgetExceededError
from dspex.runner.examples import ExampleStep, trace_example, traced
from dspex.temporal.contracts.optimize import TRACE_CHUNK, TraceChunk, TraceChunkResult
from dspex_activities.rows import ChunkRows
from dspex_activities.run_cache import RunCache
from dspex_activities.work import RETRY_POLICY, ChunkProgress, perform


class TraceChunks:
    """The activity `trace_chunk`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=TRACE_CHUNK)
    async def trace_chunk(self, chunk: TraceChunk) -> TraceChunkResult:
        """Try the request's examples."""
        progress = ChunkProgress()
        return await perform(self._trace(chunk, progress), progress)

    async def _trace(self, chunk: TraceChunk, progress: ChunkProgress) -> TraceChunkResult:
        request = chunk.request
        run = await self._cache.run(chunk.spec)
        rows = ChunkRows(run, chunk.first_execution_id, request.path, request.data, request.indices)
        progress.of(rows)
        step = ExampleStep(
            run_id=chunk.run_id,
            path=request.path,
            metric=run.metric,
            retry_policy=RETRY_POLICY,
            rounds=request.rounds,
            threshold=request.threshold,
            settings=run.teacher_settings,
        )
        out_of_budget = ""
        try:
            await rows.work_through(request.candidate, trace_example, step)
        except BudgetExceededError as error:
            out_of_budget = str(error)
        return TraceChunkResult(
            path=request.path,
            indices=request.indices,
            outcomes=[] if out_of_budget else [traced(rows.outcomes[index]) for index in request.indices],
            calls_from_ledger=rows.usage.calls_from_ledger,
            out_of_budget=out_of_budget,
        )
