"""``dspex ledger export``: calls as lines of JSON."""

from __future__ import annotations

import base64
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dspex.bridge import wait_for
from dspex.cli.ledger.conditions import LedgerConditions
from dspex.cli.output.exit import note
from dspex.cli.output.figures import time_text
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RecordedEntry, Selection, Store


def export_ledger(deployment: Deployment, conditions: LedgerConditions, out: Path | None) -> None:
    """Write the calls that meet the conditions as lines of JSON, in constant memory.

    Args:
        deployment: The store.
        conditions: Which calls.
        out: The file; standard output unless given.

    Raises:
        UsageError: the file cannot be written.
    """
    store, selection = deployment.open_store(), conditions.selection(time.time(), set())
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


def _row(kept: RecordedEntry) -> dict[str, Any]:
    row = {name: getattr(kept.entry, name) for name in type(kept.entry).__slots__ if name != "response"}
    try:
        response: Any = json.loads(kept.entry.response)
    except ValueError:
        response = {"base64": base64.b64encode(kept.entry.response).decode("ascii")}
    return {**row, "recorded_at": time_text(kept.created_at), "response": response}
