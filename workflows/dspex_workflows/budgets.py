"""A run's budget, changed while it runs."""

from __future__ import annotations

from temporalio import workflow

from dspex.clients.cost.budget import Budget
from dspex.temporal.contracts.optimize import SET_BUDGET, BudgetTask
from dspex_workflows.policies import SHORT


async def change_budget(run_id: str, budget: Budget) -> str:
    """Have the store keep the limits that `budget` gives; says what is used of them."""
    spending: str = await workflow.execute_activity(
        SET_BUDGET,
        BudgetTask(run_id=run_id, budget=budget),
        result_type=str,
        summary=f"set the budget: {budget}",
        **SHORT,
    )
    return spending
