"""What a run found: after following it, or by asking for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.cli.main import note
from dspex.cli.output.follow import Attachment, attached, follow
from dspex.cli.output.output_file import check_output, write_output
from dspex.cli.output.summary import Summary, failure_lines, of_durable
from dspex.cli.runs.finetunes import FinetuneSummary, follow_finetune, summary_of, summary_of_record
from dspex.cli.runs.lookup import find_run, status_of_record
from dspex.errors import UsageError
from dspex.runner.saved import document_bytes

if TYPE_CHECKING:
    from dspex.cli.inputs.deployment import Deployment
    from dspex.store import RunRecord, Store


def watch_run(place: Deployment, run_id: str, *, as_json: bool) -> None:
    """Follow the run to its end and say what it found.

    Raises:
        RunFailedError: it failed.
        Ended: interrupted; the run goes on.
    """
    attachment = Attachment()
    summary, _ = attached(_watch(place, run_id, attachment), attachment)
    _show(summary, as_json=as_json)
    if not as_json and isinstance(summary, Summary):
        note(f"The program: dspex runs result {run_id} --out program.json")


def show_result(place: Deployment, run_id: str, out: Path | None, *, as_json: bool) -> None:
    """Say what the run found, once it has ended; write its program where that is asked for.

    Raises:
        RunFailedError: it failed.
        UsageError: there is no such run, or it made no program.
    """
    if out is not None:
        check_output(out)
    attachment = Attachment()
    summary, document = attached(_result(place, run_id, attachment), attachment)
    if out is not None:
        if document is None or not isinstance(summary, Summary):
            what = "an evaluation" if isinstance(summary, Summary) else "a fine-tuning"
            raise UsageError(f"The run {run_id!r} was {what}: it made no program to write.")
        write_output(out, document_bytes(document), run_id)
        summary = replace(summary, program_path=str(out))
    _show(summary, as_json=as_json)


def _show(summary: Summary | FinetuneSummary, *, as_json: bool) -> None:
    print(summary.json() if as_json else "\n".join(summary.lines()), flush=True)


Found = tuple[Summary | FinetuneSummary, dict[str, Any] | None]


async def _watch(place: Deployment, run_id: str, attachment: Attachment) -> Found:
    from dspex.temporal.run import Run

    found = await find_run(place, run_id)
    if not isinstance(found, tuple):
        return await _of_record(place.open_store(), found)
    client, run = found
    attachment.run_id = run.id
    if not isinstance(run, Run):
        return await follow_finetune(client, run), None
    result = await follow(client, run)
    if result.n_failed:
        for line in failure_lines(await run.failures()):
            note(line)
    return of_durable(result, None), result.document


async def _result(place: Deployment, run_id: str, attachment: Attachment) -> Found:
    from dspex.temporal.run import Run

    found = await find_run(place, run_id)
    if not isinstance(found, tuple):
        return await _of_record(place.open_store(), found)
    _, run = found
    attachment.run_id = run.id
    status = await run.status()
    if status is not None and status.name == "RUNNING":
        note(f"run {run_id} is under way; waiting for its end")
    if not isinstance(run, Run):
        return await summary_of(run), None
    result = await run.result()
    return of_durable(result, None), result.document


async def _of_record(store: Store, record: RunRecord) -> Found:
    from dspex.temporal.run import RunFailedError

    if record.optimizer == "finetune":
        return summary_of_record(record), None
    status, result = status_of_record(record), dict(record.result or {})
    if status == "running":
        raise UsageError(f"{record.run_id!r} is a local run and under way: its own process shows how it does.")
    if status != "completed":
        why = f": {result['error']}" if result.get("error") else ""
        raise RunFailedError(f"The local run {record.run_id!r} was {status}{why}. The same command again goes on.")
    sha = result.pop("program", None)
    return Summary(**result), await store.programs.get(sha) if sha else None
