"""Runs as tables, and one run in full."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dspex.cli.main import note
from dspex.cli.output.summary import bill_lines, failure_lines
from dspex.cli.runs.finetunes import facts_of_finetune
from dspex.cli.runs.lookup import find_run, status_of_record

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import Bill, RunRecord
    from dspex.store.outcomes import Failure
    from dspex.temporal.contracts.optimize import Progress
    from dspex.temporal.run import Run

_PIPED_WIDTH = 250
"""What reads a pipe has no edge."""


@dataclass(frozen=True)
class RunRow:
    """A run in a list. `where` is durable or local; times are ISO 8601 in UTC."""

    run_id: str
    where: str
    status: str
    optimizer: str
    program: str
    score: float | None
    started: str


def show_list(place: Deployment, limit: int, *, as_json: bool) -> None:
    """Print the latest runs."""
    from dspex.bridge import wait_for

    rows = wait_for(_rows(place, limit))
    if as_json:
        print(json.dumps({"runs": [asdict(row) for row in rows]}), flush=True)
    elif not rows:
        note("no runs yet")
    else:
        _print_table(rows)


def show_run(place: Deployment, run_id: str, *, as_json: bool) -> None:
    """Print one run in full.

    Raises:
        UsageError: there is no such run.
    """
    from dspex.bridge import wait_for

    facts, failures = wait_for(_facts(place, run_id))
    if as_json:
        listed = [{"path": each.path, "index": each.index, "error": each.error} for each in failures]
        print(json.dumps({**facts, "failures": listed}), flush=True)
        return
    widest = max(map(len, facts))
    for name, value in facts.items():
        if name == "bill":
            for line in bill_lines(value):
                print(f"{'':{widest}}  {line}")
        elif value not in (None, "") and not (name == "stopped" and not value):
            print(f"{name:{widest}}  {value}")
    for line in failure_lines(failures):
        print(line)


async def _rows(place: Deployment, limit: int) -> list[RunRow]:
    from dspex.temporal.connection import TemporalNotReachableError

    records = await place.open_store().runs.list(limit)
    rows = [_row_of_record(record) for record in records]
    try:
        durable = await _durable_rows(place, limit)
        # What the store has written down of a durable run is the same run.
        rows = [_row_of_record(record) for record in records if record.workflow_id is None] + durable
    except TemporalNotReachableError as error:
        note(f"local runs only: {str(error).partition('. ')[0]}.")
    return sorted(rows, key=lambda row: row.started, reverse=True)[:limit]


async def _durable_rows(place: Deployment, limit: int) -> list[RunRow]:
    from dspex.temporal.search_attributes import BEST_SCORE, OPTIMIZER, PROGRAM

    client = await place.connect()
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
                started=_time(execution.start_time.timestamp()),
            )
        )
    return rows


def _row_of_record(record: RunRecord) -> RunRow:
    return RunRow(
        run_id=record.run_id,
        where="local" if record.workflow_id is None else "durable",
        status=status_of_record(record),
        optimizer=record.optimizer or "",
        program=record.program or "",
        score=record.score,
        started=_time(record.started_at),
    )


async def _facts(place: Deployment, run_id: str) -> tuple[dict[str, Any], list[Failure]]:
    from dspex.temporal.run import Run

    found = await find_run(place, run_id)
    store = place.open_store()
    spending = await store.budgets.get(run_id)
    budget = {} if spending is None else {"budget": str(spending)}
    if not isinstance(found, tuple):
        return {**_facts_of_record(found), **budget, **_facts_of_bill(await store.ledger.bill(run_id))}, []
    _, run = found
    if not isinstance(run, Run):
        return {**await facts_of_finetune(run), **budget}, []
    status = await run.status()
    running = status is not None and status.name == "RUNNING"
    facts = await _facts_of_run(run, status.name.lower() if status else "")
    facts |= _facts_of_progress(await run.progress()) if running else await _facts_of_result(run)
    return {**facts, **budget, **_facts_of_bill(await run.bill())}, await run.failures()


async def _facts_of_run(run: Run, status: str) -> dict[str, Any]:
    spec = run.spec
    return {
        "run_id": run.id,
        "where": "durable",
        "status": status,
        "optimizer": spec.optimizer.name if spec.optimizer else "evaluate",
        "program": spec.student.label,
        "metric": spec.metric,
        "lm": (spec.lm or {}).get("model"),
        **{f"{name}_rows": ref.rows for name, ref in spec.data.items()},
    }


def _facts_of_progress(progress: Progress) -> dict[str, Any]:
    return {
        "phase": str(progress.phase),
        "doing": progress.message,
        "done": progress.done,
        "of": progress.total,
        "baseline_score": progress.baseline_score,
        "score": progress.best_score,
    }


async def _facts_of_result(run: Run) -> dict[str, Any]:
    from dspex.cli.output.summary import of_durable
    from dspex.temporal.run import RunFailedError

    try:
        result = await run.result()
    except RunFailedError as error:
        return {"error": str(error)}
    summary = asdict(of_durable(result, None))
    return {name: summary[name] for name in summary if name not in ("run_id", "program_path")}


def _facts_of_bill(bill: Bill) -> dict[str, Any]:
    """What the run has cost up to now."""
    tokens = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")
    return {
        "lm_calls": bill.calls,
        **{name: getattr(bill, name) for name in tokens},
        "cost_usd": None if bill.calls and bill.unpriced == bill.calls else bill.cost_usd,
        "bill": [asdict(line) for line in bill.lines],
    }


def _facts_of_record(record: RunRecord) -> dict[str, Any]:
    facts = asdict(_row_of_record(record))
    return {**{name: value for name, value in (record.result or {}).items() if name != "program"}, **facts}


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


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
