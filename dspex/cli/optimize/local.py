"""``dspex optimize --local``: the run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.cli.inputs.data import read_examples
from dspex.cli.output.output_file import write_output
from dspex.cli.output.progress import Display, Glance, display
from dspex.cli.output.run_local import Count, run_here
from dspex.cli.output.summary import Summary, of_local, show
from dspex.runner.run_id import new_run_id
from dspex.settings import context

if TYPE_CHECKING:
    from dspex.cli.optimize.request import Prepared
    from dspex.primitives import Example, Module
    from dspex.runner.local_backend import LocalResult
    from dspex.runner.run_record import LocalRecord
    from dspex.teleprompt.optimization_run import RunState


def optimize_in_this_process(prepared: Prepared) -> None:
    """Optimize, write the program, say what it came to."""
    from dspex.bridge import wait_for
    from dspex.runner.run_record import LocalRecord

    request = prepared.request
    label, optimizer = prepared.code.ref.label, prepared.optimizer.name
    run_id = request.run_id or new_run_id(label, optimizer)
    store = request.place.open_store()
    wait_for(store.check())

    train, val = (read_examples(file, prepared.columns) if file else None for file in (prepared.train, prepared.val))

    async def work() -> tuple[LocalResult, Summary, bytes]:
        with display() as shown:
            result = await _optimize(prepared, train or [], val, record, shown)
        return result, *await _keep(prepared, record, result)

    record = LocalRecord(store, run_id, optimizer, label)
    result, summary, content = run_here(record, work)
    write_output(prepared.out, content, run_id)
    show(summary, as_json=request.as_json, failures=result.failures)


async def _optimize(
    prepared: Prepared, train: list[Example], val: list[Example] | None, record: LocalRecord, shown: Display
) -> LocalResult:
    from dspex.runner.local_backend import Watcher, optimize_here
    from dspex.teleprompt.optimization_run import Phase

    def stepped(state: RunState) -> None:
        if record.begin():
            shown.say(f"run {record.run_id}, in this process")
        if state.note and state.phase is not Phase.BASELINE:
            shown.show(Glance(state.phase.value, note=state.note))

    with context(lm=prepared.lm):
        return await optimize_here(
            prepared.optimizer,
            prepared.code.program,
            trainset=train,
            valset=val,
            teacher=_teacher(prepared),
            metric=prepared.code.metric,
            run_id=record.run_id,
            budget=prepared.request.budget,
            watcher=Watcher(on_outcome=Count(shown).outcome, on_step=stepped),
        )


def _teacher(prepared: Prepared) -> Module | None:
    from dspex.runner.references import build

    code = prepared.code
    return build(code.teacher, code.imports) if code.teacher is not None else None


async def _keep(prepared: Prepared, record: LocalRecord, result: LocalResult) -> tuple[Summary, bytes]:
    """The program into the store: if its file cannot be written afterwards, it is not lost."""
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
        stopped=result.stopped,
    )
    await record.complete(summary, sha)
    return summary, content
