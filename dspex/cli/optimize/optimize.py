"""What ``dspex optimize`` does: check everything, then run, locally or durably."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from dspex.backend import LOCAL, TEMPORAL, BackendRun, OptimizationRequest, backend
from dspex.cli.optimize.dry_run import show_estimate
from dspex.cli.optimize.prepared import OptimizeOptions, Prepared, prepare
from dspex.cli.output.exit import note
from dspex.cli.output.follow import follow, start
from dspex.cli.output.output_file import write_output
from dspex.cli.output.summary import show_summary
from dspex.runner.saved import document_bytes
from dspex.store.records.run_summary import RunSummary


def optimize(options: OptimizeOptions) -> None:
    """Optimize, write the program, and print what the run came to.

    Raises:
        UsageError: bad input; nothing was run.
        DSPyError: the run failed.
        Ended: interrupted.
    """
    prepared = prepare(options)
    if options.dry_run:
        show_estimate(prepared)
        return
    run = _start(prepared)
    if options.detach:
        _show_where(run, as_json=options.as_json)
        return
    outcome = follow(run)
    assert outcome.document is not None
    write_output(prepared.out, document_bytes(outcome.document), run.id)
    summary = replace(outcome.summary, program_path=str(prepared.out))
    show_summary(summary, as_json=options.as_json, failures=outcome.failures)


def _start(prepared: Prepared) -> BackendRun:
    options = prepared.options
    runs_on = backend(LOCAL if options.local else TEMPORAL, options.deployment)
    request = OptimizationRequest(
        code=prepared.code,
        optimizer=prepared.optimizer,
        trainset=prepared.train,
        valset=prepared.val,
        lm=prepared.lm,
        run_id=options.run_id,
        budget=options.budget,
    )
    return start(runs_on.start_optimization(request))


def _show_where(run: BackendRun, *, as_json: bool) -> None:
    note(f"run {run.id}{run.state}")
    note(f"Watch it: dspex runs watch {run.id}  Its result: dspex runs result {run.id} --out program.json")
    print(json.dumps(asdict(RunSummary(run.id, workflow_id=run.id))) if as_json else run.id, flush=True)
