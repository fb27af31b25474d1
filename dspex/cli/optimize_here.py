"""``dspex optimize --local``: the run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.cli.data import read_examples
from dspex.cli.ending import note
from dspex.cli.here import Count, run_here
from dspex.cli.output_file import write_output
from dspex.cli.progress import Display, Glance, display
from dspex.cli.summary import Summary, of_local, show
from dspex.settings import context

if TYPE_CHECKING:
    from dspex.cli.local_record import LocalRecord
    from dspex.cli.optimizing import Prepared
    from dspex.primitives import Module
    from dspex.runner.compile import LocalResult
    from dspex.runner.optimization import RunState


def optimize_in_this_process(prepared: Prepared) -> None:
    """Optimize, write the program, say what it came to."""
    from dspex.bridge import wait_for
    from dspex.cli.local_record import LocalRecord
    from dspex.runner.run_id import checked_run_id, new_run_id

    request = prepared.request
    label, optimizer = prepared.code.ref.label, prepared.optimizer.name
    run_id = checked_run_id(request.run_id) if request.run_id else new_run_id(label, optimizer)
    store = request.place.open_store()
    wait_for(store.check())

    async def work() -> tuple[LocalResult, Summary]:
        with display() as shown:
            result = await _optimize(prepared, record, shown)
        return result, await _keep(prepared, record, result)

    record = LocalRecord(store, run_id, optimizer, label)
    note(f"run {run_id}, in this process")
    result, summary = run_here(record, work)
    show(summary, as_json=request.as_json, failures=result.failures)


async def _optimize(prepared: Prepared, record: LocalRecord, shown: Display) -> LocalResult:
    from dspex.runner.compile import Watcher, optimize_here

    def stepped(state: RunState) -> None:
        record.begin()
        if state.note:
            shown.show(Glance(state.phase.value, note=state.note))

    val = prepared.val
    with context(lm=prepared.lm):
        return await optimize_here(
            prepared.optimizer,
            prepared.code.program,
            trainset=read_examples(prepared.train, prepared.columns),
            valset=read_examples(val, prepared.columns) if val is not None else None,
            teacher=_teacher(prepared),
            metric=prepared.code.metric,
            run_id=record.run_id,
            watcher=Watcher(on_outcome=Count(shown).outcome, on_step=stepped),
        )


def _teacher(prepared: Prepared) -> Module | None:
    from dspex.runner.references import build

    code = prepared.code
    return build(code.teacher, code.imports) if code.teacher is not None else None


async def _keep(prepared: Prepared, record: LocalRecord, result: LocalResult) -> Summary:
    """The program into the store first: if its file cannot be written, it is not lost."""
    import orjson

    from dspex.runner.saved import program_bytes

    content = program_bytes(result.program, prepared.code.ref)
    sha = await record.store.programs.put(orjson.loads(content))
    summary = of_local(
        record.run_id,
        await record.store.ledger.bill(record.run_id),
        score=result.score,
        baseline_score=result.baseline_score,
        n_failed=result.n_failed,
        calls_from_ledger=result.usage.calls_from_ledger,
        path=prepared.out,
    )
    await record.complete(summary, sha)
    write_output(prepared.out, content)
    return summary
