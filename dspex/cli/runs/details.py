"""``dspex runs show``: one run in full."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dspex.bridge import wait_for
from dspex.cli.output.summary import bill_lines, failure_lines
from dspex.cli.runs.finetune import facts_of_finetune
from dspex.cli.runs.listing import row_of_record
from dspex.cli.runs.lookup import find_run
from dspex.store.records.run_summary import figures_of

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import Bill, RunRecord
    from dspex.store.records.outcome import Failure
    from dspex.temporal.contracts.optimize import Progress
    from dspex.temporal.run import Run


def show_run(deployment: Deployment, run_id: str, *, as_json: bool) -> None:
    """Print one run in full.

    Raises:
        UsageError: there is no such run.
    """
    facts, failures = wait_for(_facts(deployment, run_id))
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


async def _facts(deployment: Deployment, run_id: str) -> tuple[dict[str, Any], list[Failure]]:
    from dspex.temporal.run import Run

    found = await find_run(deployment, run_id)
    store = deployment.open_store()
    spending = await store.budgets.get(run_id)
    budget = {} if spending is None else {"budget": str(spending)}
    if not isinstance(found, tuple):
        return {**_facts_of_record(found, await store.ledger.bill(run_id)), **budget}, []
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
    from dspex.temporal.run import RunFailedError
    from dspex.worker.durable_run import summary_of

    try:
        result = await run.result()
    except RunFailedError as error:
        return {"error": str(error)}
    summary = asdict(summary_of(result))
    return {name: summary[name] for name in summary if name not in ("run_id", "program_path")}


def _facts_of_record(record: RunRecord, bill: Bill) -> dict[str, Any]:
    row = asdict(row_of_record(record))
    facts = {**row, **{name: value for name, value in (record.result or {}).items() if name not in row}}
    # No call is billed to an optimization that Python code runs without a budget: its record has the sums.
    return {**facts, **_facts_of_bill(bill)} if bill.calls or "lm_calls" not in facts else facts


def _facts_of_bill(bill: Bill) -> dict[str, Any]:
    """What the run has cost up to now."""
    return {**figures_of(bill), "cache_write_tokens": bill.cache_write_tokens}
