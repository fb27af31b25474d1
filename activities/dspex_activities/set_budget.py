"""Change what a run may spend."""

from __future__ import annotations

from temporalio import activity

from dspex.temporal.contracts.optimize import SET_BUDGET, BudgetTask
from dspex_activities.run_cache import RunCache
from dspex_activities.work import perform


class SetBudgets:
    """The activity `set_budget`."""

    def __init__(self, cache: RunCache) -> None:
        self._cache = cache

    @activity.defn(name=SET_BUDGET)
    async def set_budget(self, task: BudgetTask) -> str:
        """Set the limits that are given; says what is used of them. It holds on every host from the next call on."""
        return await perform(self._set(task))

    async def _set(self, task: BudgetTask) -> str:
        return str(await self._cache.store.budgets.set(task.run_id, **task.budget.given))
