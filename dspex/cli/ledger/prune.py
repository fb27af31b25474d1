"""``dspex ledger prune``: make the ledger smaller, and leave runs in progress alone."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from dspex.bridge import wait_for
from dspex.cli.ledger.conditions import LedgerConditions
from dspex.cli.output.exit import note
from dspex.cli.output.figures import size_text
from dspex.cli.runs.lookup import status_of_record
from dspex.errors import StoreError, UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import Store
    from dspex.temporal.client import Client

_RECENT_S = 3600.0
"""A run that has paid for something within the last hour may be under way, whatever else is known of it."""
_LONGEST_RUN_S = 8 * 86400.0
"""A durable run waits for a week at most, for a provider that is down, say. So without a server to ask, one that has
paid for something within this time may be under way."""


def prune_ledger(
    deployment: Deployment, conditions: LedgerConditions, *, dry_run: bool, compact: bool, as_json: bool
) -> None:
    """Remove the answers that meet the conditions, or print how many those are.

    Args:
        deployment: The store, and the server that knows which runs are under way.
        conditions: Which answers.
        dry_run: Remove nothing.
        compact: Give the space back to the disk.
        as_json: Print one JSON object.

    Raises:
        UsageError: no condition is given, or the run is in progress.
    """
    if conditions == LedgerConditions():
        raise UsageError("What is to be thrown away? Give --older-than, --run, --model or --max-size.")
    store = deployment.open_store()
    now = time.time()
    conditions.selection(now, set())  # refuses bad input first
    spared = wait_for(_runs_in_progress(deployment, store, now))
    if conditions.run_id in spared:
        raise UsageError(
            f"The run {conditions.run_id!r} is in progress, or was within the hour: its calls are left alone."
        )
    selection = conditions.selection(now, spared)
    count, size = wait_for(store.upkeep.measure(selection))
    if not dry_run:
        count = wait_for(store.upkeep.prune(selection))
        if compact:
            wait_for(store.upkeep.compact())
    if as_json:
        print(json.dumps({"entries": count, "bytes": size, "dry_run": dry_run, "spared": sorted(spared)}), flush=True)
        return
    print(f"{'would throw away' if dry_run else 'thrown away'}: {count} answers, {size_text(size)}", flush=True)
    if spared:
        note(f"left alone, in progress or just now: {', '.join(sorted(spared))}")


async def _runs_in_progress(deployment: Deployment, store: Store, now: float) -> set[str]:
    """The runs that are, or may be, under way."""
    from dspex.temporal.connection import TemporalNotReachableError

    records = {record.run_id: status_of_record(record) for record in await store.runs.list(limit=100_000)}
    running = {run_id for run_id, status in records.items() if status == "running"}
    ended = set(records) - running
    recent = await store.upkeep.runs_since(now - _RECENT_S) - ended
    try:
        client = await deployment.connect()
    except TemporalNotReachableError:
        possible = await store.upkeep.runs_since(now - _LONGEST_RUN_S) - ended
        if possible - running:
            note("no Temporal server answers: runs that may still be under way are left alone")
        return running | possible
    under_way = {each.id async for each in client.runs(limit=None, running=True)}
    return running | under_way | {run_id for run_id in recent - under_way if not await _has_ended(client, run_id)}


async def _has_ended(client: Client, run_id: str) -> bool:
    """Whether the server knows that a run is over."""
    try:
        return not await (await client.run(run_id)).is_under_way()
    except (UsageError, StoreError):
        return False
