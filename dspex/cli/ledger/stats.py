"""``dspex ledger stats``: what the ledger holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.bridge import wait_for
from dspex.cli.output.figures import size_text, time_text
from dspex.cli.output.summary import dollars
from dspex.errors import StoreError

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import LedgerStats, Store


def show_stats(deployment: Deployment, *, as_json: bool) -> None:
    """Print what the ledger holds, by model."""
    store = deployment.open_store()
    found = wait_for(store.upkeep.stats())
    if as_json:
        print(json.dumps({"store": store.shown_url, "store_bytes": _file_bytes(store), **asdict(found)}), flush=True)
    else:
        print("\n".join(_lines(store, found)), flush=True)


def _lines(store: Store, found: LedgerStats) -> list[str]:
    size = _file_bytes(store)
    lines = [
        f"store    {store.shown_url}" + (f" ({size_text(size)})" if size is not None else ""),
        f"calls    {found.entries} kept, {size_text(found.bytes)} of answers, {found.runs} runs; "
        f"{found.pruned} pruned, {found.under_way} under way",
    ]
    for each in found.models:
        when = f"{time_text(each.oldest)} to {time_text(each.newest)}"
        size_and_cost = f"{size_text(each.bytes)}, {dollars(each.cost_usd)}"
        lines.append(f"  {each.model}: {each.entries} calls, {size_and_cost}, {when}")
    return lines


def _file_bytes(store: Store) -> int | None:
    """The size of the store's file and of what is still to be written into it; None for a database server."""
    if store.file is None:
        return None
    try:
        return sum(part.stat().st_size for suffix in ("", "-wal") if (part := Path(f"{store.file}{suffix}")).exists())
    except OSError as error:
        raise StoreError(f"The store {store.shown_url} cannot be looked at: {error.strerror}.") from error
