"""Budgets on the command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dspex.cli.main import note
from dspex.cli.runs.lookup import find_run
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.clients.cost.budget import Budget
    from dspex.store import Spending


def budget_of(usd: float | None, tokens: int | None, calls: int | None) -> Budget | None:
    """The budget that options give; None if none of them was given."""
    from dspex.clients.cost.budget import Budget

    return None if usd is None and tokens is None and calls is None else Budget(usd, tokens, calls)


def show_budget(place: Deployment, run_id: str, budget: Budget | None, *, as_json: bool) -> None:
    """Change the run's budget, if one is given, and say how much of it is used.

    Raises:
        UsageError: there is no such run, or it is over.
    """
    from dspex.bridge import wait_for

    spending = wait_for(_budget(place, run_id, budget))
    if as_json:
        print(json.dumps({"run_id": run_id, "budget": None if spending is None else asdict(spending)}), flush=True)
    elif spending is None:
        note(f"run {run_id} has no budget")
    else:
        print(spending, flush=True)


async def _budget(place: Deployment, run_id: str, budget: Budget | None) -> Spending | None:
    found = await find_run(place, run_id)
    store = place.open_store()
    if budget is None:
        return await store.budgets.get(run_id)
    if not isinstance(found, tuple):
        return await store.budgets.set(run_id, **budget.given)  # its process heeds it from the next call on
    _, run = found
    if not await run.is_under_way():
        raise UsageError(f"The run {run_id!r} is over: there is nothing left for it to pay.")
    return await run.set_budget(**budget.given)
