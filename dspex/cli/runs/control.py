"""``dspex runs stop``, ``pause``, ``resume`` and ``cancel``: control of a durable run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dspex.bridge import wait_for
from dspex.cli.output.exit import note
from dspex.cli.runs.lookup import find_run
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment

Action = Literal["stop", "pause", "resume", "cancel"]

_CONFIRMATIONS = {
    "stop": "ending with the best program so far. Its result: dspex runs result {id} --out program.json",
    "pause": "waits after the step in progress. Go on: dspex runs resume {id}",
    "resume": "goes on",
    "cancel": "cancelled",
}
_FINETUNE_CONFIRMATION = "the provider is told to end its job"


def control_run(deployment: Deployment, run_id: str, action: Action) -> None:
    """Have the run do `action`, and print what becomes of it.

    Raises:
        UsageError: there is no such run, it is over, or it is a local one.
    """
    confirmation = wait_for(_control(deployment, run_id, action))
    note(f"run {run_id}: {confirmation.format(id=run_id)}")


async def _control(deployment: Deployment, run_id: str, action: Action) -> str:
    from dspex.temporal.finetune_run import FinetuneRun

    found = await find_run(deployment, run_id)
    if not isinstance(found, tuple):
        raise UsageError(f"{run_id!r} is a local run: it ends with its process. Ctrl-C interrupts it.")
    _, run = found
    status = await run.status()
    if status is not None and status.name != "RUNNING":
        raise UsageError(f"The run {run_id!r} is over: it is {status.name.lower().replace('_', ' ')}.")
    await getattr(run, action)()
    return _FINETUNE_CONFIRMATION if isinstance(run, FinetuneRun) else _CONFIRMATIONS[action]
