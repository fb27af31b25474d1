"""Submit batches, check on them, collect them, cancel them."""

from __future__ import annotations

from temporalio import activity

from dspex.clients.batch.check import check_batches
from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.submitter import BatchSubmitter
from dspex.store import Store
from dspex.temporal.contracts.batch import CANCEL_BATCHES, INSPECT_BATCHES, TEND_BATCHES, BatchReport, BatchTask
from dspex_activities.run_cache import RunCache
from dspex_activities.work import perform


def owner_of(run_id: str, first_execution_id: str, path: str) -> str:
    """Under which name an evaluation's requests and batches are kept."""
    return f"{run_id}@{first_execution_id}/{path}"


class BatchActivities:
    """The activities `inspect_batches`, `tend_batches` and `cancel_batches`.

    Each may be killed anywhere and done again: what it is to do is read from the store, and asked of the provider.
    """

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=INSPECT_BATCHES)
    async def inspect_batches(self, task: BatchTask) -> BatchReport:
        """See that the provider of the run's LM has a batch API, before anything is paid for."""
        return await perform(self._inspect(task))

    @activity.defn(name=TEND_BATCHES)
    async def tend_batches(self, task: BatchTask) -> BatchReport:
        """Look at the batches, collect those that are over, submit what waits."""
        return await perform(self._tend(task))

    @activity.defn(name=CANCEL_BATCHES)
    async def cancel_batches(self, task: BatchTask) -> BatchReport:
        """Have the provider cancel the batches that no other owner waits for."""
        return await perform(self._cancel(task))

    async def _inspect(self, task: BatchTask) -> BatchReport:
        run = await self._cache.run(task.spec)
        await check_batches(run.settings.get("lm"), run.store, durable=True)
        return BatchReport(owner=task.owner)

    async def _tend(self, task: BatchTask) -> BatchReport:
        store = self._cache.store
        progress = await self._submitter(task).advance(submit=task.submit)
        if not task.submit and not progress.under_way:
            await store.batches.leave(task.owner)
        return await _report(store, task, progress)

    async def _cancel(self, task: BatchTask) -> BatchReport:
        return await _report(self._cache.store, task, await self._submitter(task).cancel())

    def _submitter(self, task: BatchTask) -> BatchSubmitter:
        return BatchSubmitter(self._cache.store, task.owner, uncertain_seconds=task.uncertain, attempts=task.attempts)


async def _report(store: Store, task: BatchTask, progress: BatchProgress) -> BatchReport:
    made = await store.batches.of(task.owner)
    return BatchReport(
        owner=task.owner,
        under_way=progress.under_way,
        requests=progress.requests,
        done=progress.done,
        answered=sum(batch.answered for batch in made),
        refused=sum(batch.refused for batch in made),
        moved=progress.moved,
        trouble=progress.trouble[:500],
        lacking=progress.lacking,
    )
