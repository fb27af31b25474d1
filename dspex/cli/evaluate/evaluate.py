"""What ``dspex evaluate`` does: score a program on data, here or durably."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.cli.inputs.data import Columns, choose_columns, data_file, put_rows, read_examples
from dspex.cli.inputs.deployment import Deployment
from dspex.cli.inputs.lm_options import LMArguments, make_lm
from dspex.cli.inputs.target import ResolvedTarget, TargetOptions, resolve_target
from dspex.cli.main import note
from dspex.cli.output.follow import Attachment, attached, follow
from dspex.cli.output.progress import display
from dspex.cli.output.run_local import Count, run_here
from dspex.cli.output.summary import Summary, of_durable, of_local, show
from dspex.clients.cost.budget import refuse_unpriced
from dspex.errors import UsageError
from dspex.runner.run_id import checked_run_id, new_run_id
from dspex.runner.run_record import LocalRecord
from dspex.settings import configure, context

if TYPE_CHECKING:
    from dspex.clients import LM
    from dspex.clients.cost.budget import Budget
    from dspex.datafiles import DataFile
    from dspex.primitives import Example
    from dspex.store.outcomes import Failure


@dataclass(frozen=True)
class EvaluateRequest:
    """As given on the command line."""

    code: TargetOptions
    lm: LMArguments
    place: Deployment
    data: Path
    inputs: str | None = None
    run_id: str | None = None
    durable: bool = False
    batch: bool = False
    as_json: bool = False
    budget: Budget | None = None


@dataclass(frozen=True)
class _Prepared:
    request: EvaluateRequest
    code: ResolvedTarget
    lm: LM
    data: DataFile
    columns: Columns


def evaluate(request: EvaluateRequest) -> None:
    """Score the program and say how it did.

    Raises:
        UsageError: bad input; nothing was run.
        DSPyError: the provider, the store or the server stayed away, or the set-up is wrong.
        Ended: interrupted.
    """
    if request.run_id is not None:
        checked_run_id(request.run_id)
    code = resolve_target(request.code)
    if code.metric is None:
        raise UsageError("No metric. Name one: --metric exact_match, or contains, f1, package.module:function.")
    lm = make_lm(request.lm)
    data = data_file(request.data, "--data")
    configure(num_threads=request.lm.concurrency)
    prepared = _Prepared(request, code, lm, data, choose_columns(data, code, request.inputs))
    summary, failures = _durably(prepared) if request.durable else _here(prepared)
    show(summary, as_json=request.as_json, failures=failures)


def _here(prepared: _Prepared) -> tuple[Summary, Sequence[Failure]]:
    from dspex.bridge import wait_for
    from dspex.clients.preflight import check_lm

    label, wanted = prepared.code.ref.label, prepared.request.run_id
    store = prepared.request.place.open_store()
    check_lm(prepared.lm)
    wait_for(store.check())
    record = LocalRecord(store, wanted or new_run_id(label, "evaluate"), "evaluate", label)
    examples = read_examples(prepared.data, prepared.columns)
    note(f"run {record.run_id}, in this process")
    return run_here(record, lambda: _score(prepared, examples, record))


async def _score(
    prepared: _Prepared, examples: list[Example], record: LocalRecord
) -> tuple[Summary, Sequence[Failure]]:
    from dspex.runner.local_runner import LocalRunner
    from dspex.teleprompt.candidate import Candidate

    record.begin()
    budget = prepared.request.budget
    if budget is not None:
        refuse_unpriced(prepared.lm, budget)
        await record.store.budgets.set(record.run_id, **budget.given)
    async with AsyncExitStack() as stack:
        shown = stack.enter_context(display())
        stack.enter_context(context(lm=prepared.lm))
        concurrency = await _batched(stack) if prepared.request.batch else prepared.request.lm.concurrency
        runner = LocalRunner(
            programs={"student": prepared.code.program},
            data={"val": examples},
            metric=prepared.code.metric,
            concurrency=concurrency,
            run_id=record.run_id,
            on_outcome=Count(shown).outcome,
        )
        found = await runner.evaluate(Candidate(), "val", path="evaluate")
    summary = of_local(
        record.run_id,
        await record.store.ledger.bill(record.run_id),
        score=found.score,
        baseline_score=None,
        n_failed=found.n_failed,
        calls_from_ledger=runner.usage.calls_from_ledger,
        path=None,
    )
    await record.complete(summary, None)
    return summary, runner.failures


async def _batched(stack: AsyncExitStack) -> int:
    """Have calls made in batches; returns how many rows are in flight then."""
    from dspex.clients.batch.local import ROWS_AT_ONCE, batches_checked

    await stack.enter_async_context(batches_checked())
    note(
        "by batch: at half the price, up to a day for each step of the program. The same command goes on after a crash"
    )
    return ROWS_AT_ONCE


def _durably(prepared: _Prepared) -> tuple[Summary, Sequence[Failure]]:
    attachment = Attachment()
    return attached(_start_and_follow(prepared, attachment), attachment)


async def _start_and_follow(prepared: _Prepared, attachment: Attachment) -> tuple[Summary, Sequence[Failure]]:
    code = prepared.code
    client = await prepared.request.place.connect()
    await client.store.check()
    devset = await put_rows(client.store, prepared.data, prepared.columns)
    assert code.metric_name is not None
    run = await client.evaluate(
        code.ref,
        devset=devset,
        metric=code.metric_name,
        lm=prepared.lm,
        id=prepared.request.run_id,
        batch=prepared.request.batch,
        budget=prepared.request.budget,
    )
    attachment.run_id = run.id
    note(f"run {run.id}")
    result = await follow(client, run, code.modules)
    failures = await run.failures() if result.n_failed else []
    return of_durable(result, None), failures
