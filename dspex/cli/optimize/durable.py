"""``dspex optimize`` as a durable run, done by the workers of a task queue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dspex.cli.inputs.data import put_rows
from dspex.cli.main import note
from dspex.cli.output.follow import Attachment, attached, follow
from dspex.cli.output.output_file import write_output
from dspex.cli.output.summary import Summary, of_durable, show
from dspex.runner.saved import document_bytes

if TYPE_CHECKING:
    from dspex.cli.optimize.request import Prepared
    from dspex.temporal.client import Client
    from dspex.temporal.run import Run, RunResult


def optimize_on_workers(prepared: Prepared) -> None:
    """Start the run, or attach to it; wait for its end, write the program, say what it came to."""
    attachment = Attachment()
    request = prepared.request
    if request.detach:
        run = attached(_start_detached(prepared, attachment), attachment)
        _tell_where(run, as_json=request.as_json)
        return
    result = attached(_start_and_follow(prepared, attachment), attachment)
    assert result.document is not None
    write_output(prepared.out, document_bytes(result.document), result.run_id)
    show(of_durable(result, prepared.out), as_json=request.as_json)


async def _start_detached(prepared: Prepared, attachment: Attachment) -> Run:
    return await _start(await prepared.request.place.connect(), prepared, attachment)


async def _start_and_follow(prepared: Prepared, attachment: Attachment) -> RunResult:
    client = await prepared.request.place.connect()
    run = await _start(client, prepared, attachment)
    result = await follow(client, run, prepared.code.modules)
    if result.n_failed:
        from dspex.cli.output.summary import failure_lines

        for line in failure_lines(await run.failures()):
            note(line)
    return result


async def _start(client: Client, prepared: Prepared, attachment: Attachment) -> Run:
    request = prepared.request
    await client.store.check()
    before = await _status(client, request.run_id)
    train = await put_rows(client.store, prepared.train, prepared.columns)
    val = await put_rows(client.store, prepared.val, prepared.columns) if prepared.val is not None else None
    run = await client.optimize(
        prepared.code.ref,
        optimizer=prepared.optimizer,
        trainset=train,
        valset=val,
        teacher=prepared.code.teacher,
        metric=prepared.code.metric_name,
        lm=prepared.lm,
        id=request.run_id,
        budget=request.budget,
    )
    attachment.run_id = run.id
    note(f"run {run.id}{before}")
    return run


async def _status(client: Client, run_id: str | None) -> str:
    """What to say of a run of this id that is there already."""
    from dspex.errors import UsageError

    if run_id is None:
        return ""
    try:
        status = await (await client.run(run_id)).status()
    except UsageError:
        return ""
    said = {"RUNNING": ": under way already, attached to it", "COMPLETED": ": done already, this is its result"}
    name = status.name if status is not None else ""
    return said.get(name, ": it ended without a result before, started anew")


def _tell_where(run: Run, *, as_json: bool) -> None:
    note(f"Watch it: dspex runs watch {run.id}  Its result: dspex runs result {run.id} --out program.json")
    print(replace(Summary(run.id), workflow_id=run.id).json() if as_json else run.id, flush=True)
