"""``dspex runs watch`` and ``dspex runs result``: what a run found."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.backend import RunOutcome
from dspex.bridge import wait_for
from dspex.cli.output.exit import note
from dspex.cli.output.follow import follow, start
from dspex.cli.output.output_file import check_output, write_output
from dspex.cli.output.summary import show_summary
from dspex.cli.runs.finetune import FinetuneSummary, FollowedFinetune, summary_of_record
from dspex.cli.runs.lookup import find_run, status_of_record
from dspex.errors import UsageError
from dspex.runner.saved import document_bytes
from dspex.store.records.run_summary import RunSummary

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RunRecord, Store


def watch_run(deployment: Deployment, run_id: str, *, as_json: bool) -> None:
    """Follow the run to its end and print what it found.

    Raises:
        RunFailedError: it failed.
        Ended: interrupted; the run goes on.
    """
    outcome = _outcome(deployment, run_id)
    _show(outcome, as_json=as_json)
    if not as_json and isinstance(outcome, RunOutcome):
        note(f"The program: dspex runs result {run_id} --out program.json")


def show_result(deployment: Deployment, run_id: str, out: Path | None, *, as_json: bool) -> None:
    """Print what the run found, once it has ended; with `out`, write its program there.

    Raises:
        RunFailedError: it failed.
        UsageError: there is no such run, or it made no program.
    """
    if out is not None:
        check_output(out)
    outcome = _outcome(deployment, run_id, silent=True)
    if out is not None:
        outcome = _written(outcome, out, run_id)
    _show(outcome, as_json=as_json)


def _outcome(deployment: Deployment, run_id: str, *, silent: bool = False) -> RunOutcome | FinetuneSummary:
    """What the run came to. A durable one that is under way is followed to its end."""
    from dspex.temporal.run import Run
    from dspex.worker.durable_run import DurableRun

    found = start(find_run(deployment, run_id))
    if not isinstance(found, tuple):
        return _outcome_of_record(deployment.open_store(), found)
    client, run = found
    if silent and start(run.is_under_way()):
        note(f"run {run_id} is under way; waiting for its end")
    if not isinstance(run, Run):
        return follow(FollowedFinetune(client, run), silent=silent)
    outcome = follow(DurableRun(client, run, "", ()), silent=silent)
    return replace(outcome, failures=()) if silent else outcome


def _outcome_of_record(store: Store, record: RunRecord) -> RunOutcome | FinetuneSummary:
    from dspex.temporal.run import RunFailedError

    if record.optimizer == "finetune":
        return summary_of_record(record)
    status, result = status_of_record(record), dict(record.result or {})
    if status == "running":
        raise UsageError(f"{record.run_id!r} is a local run and under way: its own process shows how it does.")
    if status != "completed":
        why = f": {result['error']}" if result.get("error") else ""
        raise RunFailedError(f"The local run {record.run_id!r} was {status}{why}. The same command again goes on.")
    sha = result.pop("program", None)
    return RunOutcome(RunSummary(**result), wait_for(store.programs.get(sha)) if sha else None)


def _written(outcome: RunOutcome | FinetuneSummary, out: Path, run_id: str) -> RunOutcome:
    """`outcome`, with its program written to `out`."""
    if isinstance(outcome, FinetuneSummary) or outcome.document is None:
        what = "a fine-tuning" if isinstance(outcome, FinetuneSummary) else "an evaluation"
        raise UsageError(f"The run {run_id!r} was {what}: it made no program to write.")
    write_output(out, document_bytes(outcome.document), run_id)
    return replace(outcome, summary=replace(outcome.summary, program_path=str(out)))


def _show(outcome: RunOutcome | FinetuneSummary, *, as_json: bool) -> None:
    if isinstance(outcome, RunOutcome):
        show_summary(outcome.summary, as_json=as_json, failures=outcome.failures)
    else:
        print(json.dumps(asdict(outcome)) if as_json else "\n".join(outcome.lines()), flush=True)
