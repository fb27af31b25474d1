"""Telling a durable run to stop, pause, resume or end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dspex.cli.main import note
from dspex.cli.runs.lookup import find_run
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment

Order = Literal["stop", "pause", "resume", "cancel"]

_SAID = {
    "stop": "ending with the best program so far. Its result: dspex runs result {id} --out program.json",
    "pause": "waits after the step in progress. Go on: dspex runs resume {id}",
    "resume": "goes on",
    "cancel": "cancelled",
}
_OF_TRAINING = "the provider is told to end its job"


def order(place: Deployment, run_id: str, what: Order) -> None:
    """Tell the run, and say what becomes of it.

    Raises:
        UsageError: there is no such run, it is over, or it is a local one.
    """
    from dspex.bridge import wait_for

    note(f"run {run_id}: {wait_for(_order(place, run_id, what)).format(id=run_id)}")


async def _order(place: Deployment, run_id: str, what: Order) -> str:
    from dspex.temporal.finetune_run import FinetuneRun

    found = await find_run(place, run_id)
    if not isinstance(found, tuple):
        raise UsageError(f"{run_id!r} is a local run: it ends with its process. Ctrl-C interrupts it.")
    _, run = found
    status = await run.status()
    if status is not None and status.name != "RUNNING":
        raise UsageError(f"The run {run_id!r} is over: it is {status.name.lower().replace('_', ' ')}.")
    await getattr(run, what)()
    return _OF_TRAINING if isinstance(run, FinetuneRun) else _SAID[what]
