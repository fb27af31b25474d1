"""Before the first paid call: a worker looks at the run, and says what keeps it from starting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from dspex.temporal.contracts.optimize import INSPECT_RUN, Inspection, InspectTask
from dspex_workflows.policies import RETRY

_SOON = timedelta(seconds=3)


async def inspect(task: InspectTask, say: Callable[[str], None]) -> Inspection:
    """Have a worker that has imported the program look at it. While there is none, `say` so and wait."""
    inspecting = workflow.start_activity(
        INSPECT_RUN,
        task,
        result_type=Inspection,
        start_to_close_timeout=timedelta(minutes=2),
        retry_policy=RETRY,
        summary="look at the program, the data and the store",
    )
    try:
        await workflow.wait_condition(inspecting.done, timeout=_SOON.total_seconds())
    except TimeoutError:
        say("waiting for a worker that has what this run needs (its pending activity says what is missing)")
    inspection: Inspection = await inspecting
    return inspection
