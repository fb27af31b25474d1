"""Keep what a run found, add up its bill, and write it down."""

from __future__ import annotations

from dataclasses import replace

from temporalio import activity

from dspex.runner.saved import program_document
from dspex.temporal.contracts.optimize import FINISH_RUN, FinishResult, FinishTask
from dspex_activities.run_cache import RunCache
from dspex_activities.work import perform


class FinishRuns:
    """The activity `finish_run`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=FINISH_RUN)
    async def finish_run(self, task: FinishTask) -> FinishResult:
        """Store the program that the run's candidate describes."""
        return await perform(self._finish(task))

    async def _finish(self, task: FinishTask) -> FinishResult:
        store = self._cache.store
        run = await self._cache.run(task.spec)
        program = await run.program(task.candidate, task.first_execution_id)
        sha = await store.programs.put(program_document(program, run.spec.student))
        bill = await store.ledger.bill(task.run_id)
        return FinishResult(program=sha, bill=replace(bill, calls_from_ledger=task.calls_from_ledger))
