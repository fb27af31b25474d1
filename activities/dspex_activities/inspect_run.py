"""Look at a run before its first paid call: the program, the metric, the data, the key, the store."""

from __future__ import annotations

from temporalio import activity

from dspex.clients.cost.budget import refuse_unpriced
from dspex.clients.preflight import check_lm
from dspex.runner.materialize import facts
from dspex.settings import context
from dspex.teleprompt.runner_protocol import Task
from dspex.temporal.contracts.optimize import INSPECT_RUN, Inspection, InspectTask
from dspex_activities.run_cache import RunCache
from dspex_activities.work import perform


class InspectRuns:
    """The activity `inspect_run`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=INSPECT_RUN)
    async def inspect_run(self, task: InspectTask) -> Inspection:
        """The run as a task for its optimizer. Fails, with words for the user, where the run could not work."""
        return await perform(self._inspect(task))

    async def _inspect(self, task: InspectTask) -> Inspection:
        await self._cache.store.check()
        run = await self._cache.run(task.spec)
        for ref in run.spec.data.values():
            await run.store.datasets.info(ref.sha)
        for settings in (run.settings, run.teacher_settings):
            if "lm" in settings:
                check_lm(settings["lm"])
                with context(prices=run.spec.prices):
                    refuse_unpriced(settings["lm"], task.budget)
        if task.budget is not None:
            await run.store.budgets.set(task.run_id, **task.budget.given)
        teacher = run.programs.get("teacher")
        sizes = {name: ref.rows for name, ref in run.spec.data.items()}
        return Inspection(
            task=Task(
                student=facts(run.programs["student"]),
                teacher=facts(teacher) if teacher is not None else None,
                train_rows=sizes.get("train", 0),
                val_rows=sizes.get("val", 0),
                max_errors=run.spec.max_errors,
            )
        )
