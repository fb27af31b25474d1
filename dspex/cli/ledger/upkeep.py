"""What ``dspex ledger`` does."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dspex.cli.main import note
from dspex.cli.runs.lookup import status_of_record
from dspex.errors import StoreError, UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import Kept, LedgerStats, Selection, Store
    from dspex.temporal.client import Client

_AGES = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

_JUST_NOW_S = 3600.0
"""A run that has paid for something within the last hour may be under way, whatever else is known of it."""
_MAY_WAIT_S = 8 * 86400.0
"""A durable run waits for a week at most, for a provider that is down, say. So without a server to ask, one that has
paid for something within this time may be under way."""


@dataclass(frozen=True)
class Wanted:
    """As given on the command line."""

    older_than: str | None
    run_id: str | None
    model: str | None
    max_size: str | None

    def selection(self, now: float, spared: set[str]) -> Selection:
        """
        Raises:
            UsageError: an age or a size is none.
        """
        from dspex.store import Selection

        return Selection(
            before=None if self.older_than is None else now - seconds_of(self.older_than),
            run_id=self.run_id,
            model=self.model,
            max_bytes=None if self.max_size is None else bytes_of(self.max_size),
            spared=spared,
        )


def seconds_of(age: str) -> float:
    """``30d`` in seconds.

    Raises:
        UsageError: it is no age.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", age.strip())
    if found is None:
        raise UsageError(f"--older-than {age}: write a number and m, h, d or w, such as 30d.")
    return float(found[1]) * _AGES[found[2]]


def bytes_of(size: str) -> int:
    """``500MB`` in bytes.

    Raises:
        UsageError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", size.strip().upper())
    if found is None:
        raise UsageError(f"--max-size {size}: write a number and KB, MB or GB, such as 500MB.")
    return int(float(found[1]) * _SIZES[found[2] or ""])


def show_stats(place: Deployment, *, as_json: bool) -> None:
    """Print what the ledger holds."""
    from dspex.bridge import wait_for

    store = place.open_store()
    found = wait_for(store.upkeep.stats())
    if as_json:
        print(json.dumps({"store": store.shown_url, "store_bytes": _file_bytes(store), **asdict(found)}), flush=True)
    else:
        print("\n".join(_lines(store, found)), flush=True)


def prune_ledger(place: Deployment, wanted: Wanted, *, dry_run: bool, compact: bool, as_json: bool) -> None:
    """Throw away what is wanted, or say how much that is.

    Raises:
        UsageError: no condition is given, or the run is in progress.
    """
    from dspex.bridge import wait_for

    if wanted == Wanted(None, None, None, None):
        raise UsageError("What is to be thrown away? Give --older-than, --run, --model or --max-size.")
    store = place.open_store()
    now = time.time()
    wanted.selection(now, set())  # bad input first
    spared = wait_for(_in_progress(place, store, now))
    if wanted.run_id in spared:
        raise UsageError(f"The run {wanted.run_id!r} is in progress, or was within the hour: its calls are left alone.")
    selection = wanted.selection(now, spared)
    count, size = wait_for(store.upkeep.measure(selection))
    if not dry_run:
        count = wait_for(store.upkeep.prune(selection))
        if compact:
            wait_for(store.upkeep.compact())
    if as_json:
        print(json.dumps({"entries": count, "bytes": size, "dry_run": dry_run, "spared": sorted(spared)}), flush=True)
        return
    print(f"{'would throw away' if dry_run else 'thrown away'}: {count} answers, {_shown(size)}", flush=True)
    if spared:
        note(f"left alone, in progress or just now: {', '.join(sorted(spared))}")


def export_ledger(place: Deployment, wanted: Wanted, out: Path | None) -> None:
    """Write what is wanted as lines of JSON.

    Raises:
        UsageError: the file cannot be written.
    """
    from dspex.bridge import wait_for

    store, selection = place.open_store(), wanted.selection(time.time(), set())
    try:
        with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8") as file:
            count = wait_for(_write(store, selection, file))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
    note(f"{count} calls")


async def _write(store: Store, selection: Selection, file: TextIO) -> int:
    count = 0
    async for kept in store.upkeep.entries(selection):
        file.write(json.dumps(_row(kept), ensure_ascii=False) + "\n")
        count += 1
    file.flush()
    return count


def _row(kept: Kept) -> dict[str, Any]:
    row = {name: getattr(kept.entry, name) for name in type(kept.entry).__slots__ if name != "response"}
    try:
        response: Any = json.loads(kept.entry.response)
    except ValueError:
        response = {"base64": base64.b64encode(kept.entry.response).decode("ascii")}
    return {**row, "recorded_at": _time(kept.created_at), "response": response}


async def _in_progress(place: Deployment, store: Store, now: float) -> set[str]:
    """The runs whose calls are not to be touched."""
    from dspex.temporal.connection import TemporalNotReachableError

    records = {record.run_id: status_of_record(record) for record in await store.runs.list(limit=100_000)}
    running = {run_id for run_id, status in records.items() if status == "running"}
    ended = set(records) - running
    just_now = await store.upkeep.runs_since(now - _JUST_NOW_S) - ended
    try:
        client = await place.connect()
    except TemporalNotReachableError:
        recent = await store.upkeep.runs_since(now - _MAY_WAIT_S) - ended
        if recent - running:
            note("no Temporal server answers: runs that may still be under way are left alone")
        return running | recent
    under_way = {each.id async for each in client.runs(limit=None, running=True)}
    return running | under_way | {run_id for run_id in just_now - under_way if not await _has_ended(client, run_id)}


async def _has_ended(client: Client, run_id: str) -> bool:
    """Whether the server knows that a run is over."""
    try:
        return not await (await client.run(run_id)).is_under_way()
    except (UsageError, StoreError):
        return False


def _lines(store: Store, found: LedgerStats) -> list[str]:
    size = _file_bytes(store)
    lines = [
        f"store    {store.shown_url}" + (f" ({_shown(size)})" if size is not None else ""),
        f"calls    {found.entries} kept, {_shown(found.bytes)} of answers, {found.runs} runs; "
        f"{found.pruned} pruned, {found.under_way} under way",
    ]
    for each in found.models:
        when = f"{_time(each.oldest)} to {_time(each.newest)}"
        lines.append(f"  {each.model}: {each.entries} calls, {_shown(each.bytes)}, ${each.cost_usd:.4f}, {when}")
    return lines


def _file_bytes(store: Store) -> int | None:
    if store.file is None:
        return None
    try:
        return sum(part.stat().st_size for suffix in ("", "-wal") if (part := Path(f"{store.file}{suffix}")).exists())
    except OSError as error:
        raise StoreError(f"The store {store.shown_url} cannot be looked at: {error.strerror}.") from error


def _shown(size: int) -> str:
    for unit in ("GB", "MB", "KB"):
        if size >= _SIZES[unit]:
            return f"{size / _SIZES[unit]:.1f} {unit}"
    return f"{size} bytes"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
