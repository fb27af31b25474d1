"""``dspex runs list``: the latest runs as a table."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dspex.bridge import wait_for
from dspex.cli.output.exit import note
from dspex.cli.output.figures import time_text
from dspex.cli.runs.lookup import status_of_record

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RunRecord

_PIPED_WIDTH = 250
"""Characters in a line where output goes to a pipe, which has no edge."""


@dataclass(frozen=True)
class RunRow:
    """A run in a list. `where` is durable or local; `started` is ISO 8601 in UTC."""

    run_id: str
    where: str
    status: str
    optimizer: str
    program: str
    score: float | None
    started: str


def show_list(deployment: Deployment, limit: int, *, as_json: bool) -> None:
    """Print the latest runs, at most `limit`."""
    rows = wait_for(_rows(deployment, limit))
    if as_json:
        print(json.dumps({"runs": [asdict(row) for row in rows]}), flush=True)
    elif not rows:
        note("no runs yet")
    else:
        _print_table(rows)


def row_of_record(record: RunRecord) -> RunRow:
    """The row of a run that the store has a record of."""
    return RunRow(
        run_id=record.run_id,
        where="local" if record.workflow_id is None else "durable",
        status=status_of_record(record),
        optimizer=record.optimizer or "",
        program=record.program or "",
        score=record.score,
        started=time_text(record.started_at),
    )


async def _rows(deployment: Deployment, limit: int) -> list[RunRow]:
    from dspex.temporal.connection import TemporalNotReachableError

    records = await deployment.open_store().runs.list(limit)
    try:
        durable = await _durable_rows(deployment, limit)
    except TemporalNotReachableError as error:
        note(f"local runs only: {str(error).partition('. ')[0]}.")
        rows = [row_of_record(record) for record in records]
    else:  # the server knows more of a durable run than its record says
        rows = [row_of_record(record) for record in records if record.workflow_id is None] + durable
    return sorted(rows, key=lambda row: row.started, reverse=True)[:limit]


async def _durable_rows(deployment: Deployment, limit: int) -> list[RunRow]:
    from dspex.temporal.search_attributes import BEST_SCORE, OPTIMIZER, PROGRAM

    client = await deployment.connect()
    rows = []
    async for execution in client.runs(limit):
        known = execution.typed_search_attributes
        rows.append(
            RunRow(
                run_id=execution.id,
                where="durable",
                status=execution.status.name.lower() if execution.status else "",
                optimizer=known.get(OPTIMIZER) or "",
                program=known.get(PROGRAM) or "",
                score=known.get(BEST_SCORE),
                started=time_text(execution.start_time.timestamp()),
            )
        )
    return rows


def _print_table(rows: list[RunRow]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("RUN", "WHERE", "STATUS", "OPTIMIZER", "SCORE", "STARTED"):
        table.add_column(name, no_wrap=True, overflow="fold")
    table.add_column("PROGRAM", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        score = "" if row.score is None else f"{row.score:g}"
        cells = (row.run_id, row.where, row.status, row.optimizer, score, row.started, row.program)
        table.add_row(*map(Text, cells))
    on_terminal = sys.stdout.isatty()
    Console(width=None if on_terminal else _PIPED_WIDTH).print(table)
