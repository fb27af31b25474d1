"""Finding a run by its id: on the Temporal server, else among the local runs in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dspex.errors import UsageError
from dspex.runner.run_record import HEARTBEAT_S

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RunRecord
    from dspex.temporal.client import Client
    from dspex.temporal.finetune_run import FinetuneRun
    from dspex.temporal.run import Run

_KILLED_AFTER_S = 6 * HEARTBEAT_S
"""A local run that has sent no heartbeat for so long has been killed."""


async def find_run(deployment: Deployment, run_id: str) -> tuple[Client, Run | FinetuneRun] | RunRecord:
    """The durable run of this id, with the client that found it, or the record of the local one.

    Raises:
        UsageError: there is none.
        TemporalNotReachableError: there is no local one, and no server to ask.
    """
    from dspex.temporal.connection import TemporalNotReachableError

    try:
        client = await deployment.connect()
        return client, await client.run(run_id)
    except (UsageError, TemporalNotReachableError):
        record = await deployment.open_store().runs.get(run_id)
        if record is None:
            raise
        return record


def status_of_record(record: RunRecord) -> str:
    """The state of a local run: what its record says, or ``killed``."""
    silent_s = time.time() - record.updated_at
    return "killed" if record.status == "running" and silent_s > _KILLED_AFTER_S else record.status
