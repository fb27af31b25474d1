"""Finding a run by its id: on the Temporal server, else among the local runs in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dspex.errors import UsageError
from dspex.runner.run_record import BEAT_S

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RunRecord
    from dspex.temporal.client import Client
    from dspex.temporal.finetune_run import FinetuneRun
    from dspex.temporal.run import Run


async def find_run(place: Deployment, run_id: str) -> tuple[Client, Run | FinetuneRun] | RunRecord:
    """The durable run of this id, or the record of the local one.

    Raises:
        UsageError: there is none.
        TemporalNotReachableError: there is no local one, and no server to ask.
    """
    from dspex.temporal.connection import TemporalNotReachableError

    try:
        return await find_durable(place, run_id)
    except (UsageError, TemporalNotReachableError):
        record = await place.open_store().runs.get(run_id)
        if record is None:
            raise
        return record


async def find_durable(place: Deployment, run_id: str) -> tuple[Client, Run | FinetuneRun]:
    """The durable run of this id.

    Raises:
        UsageError: there is none.
        TemporalNotReachableError: there is no server to ask.
    """
    client = await place.connect()
    return client, await client.run(run_id)


def status_of_record(record: RunRecord) -> str:
    """The state of a local run. One that has not said for long that it runs has been killed."""
    silent = time.time() - record.updated_at > 6 * BEAT_S
    return "killed" if record.status == "running" and silent else record.status
