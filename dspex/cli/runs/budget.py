"""``dspex runs budget``: what a run may spend and has spent."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dspex.bridge import wait_for
from dspex.cli.output.exit import note
from dspex.cli.runs.lookup import find_run
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.clients.cost.budget import Budget
    from dspex.store import Spending


def show_budget(deployment: Deployment, run_id: str, budget: Budget | None, *, as_json: bool) -> None:
    """Change the run's budget, if one is given, and print how much of it is used.

    Args:
        deployment: Where the run is.
        run_id: The run's name.
        budget: The new limits; limits that it does not name stay as they are.
        as_json: Print one JSON object.

    Raises:
        UsageError: there is no such run, or it is over.
    """
    spending = wait_for(_budget(deployment, run_id, budget))
    if as_json:
        print(json.dumps({"run_id": run_id, "budget": None if spending is None else asdict(spending)}), flush=True)
    elif spending is None:
        note(f"run {run_id} has no budget")
    else:
        print(spending, flush=True)


async def _budget(deployment: Deployment, run_id: str, budget: Budget | None) -> Spending | None:
    found = await find_run(deployment, run_id)
    store = deployment.open_store()
    if budget is None:
        return await store.budgets.get(run_id)
    if not isinstance(found, tuple):
        return await store.budgets.set(run_id, **budget.given)  # the run's process heeds it from its next call on
    _, run = found
    if not await run.is_under_way():
        raise UsageError(f"The run {run_id!r} is over: there is nothing left for it to pay.")
    return await run.set_budget(**budget.given)
