"""What ``dspex evaluate`` does: score a program on rows of data, locally or durably."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.backend import LOCAL, TEMPORAL, EvaluationRequest, backend
from dspex.cli.inputs.data import FileRows, choose_columns, data_file
from dspex.cli.inputs.deployment import Deployment
from dspex.cli.inputs.lm_arguments import LMArguments, make_lm
from dspex.cli.inputs.target import TargetOptions, resolve_target
from dspex.cli.output.follow import follow, start
from dspex.cli.output.summary import show_summary
from dspex.errors import UsageError
from dspex.runner.run_id import checked_run_id
from dspex.settings import configure

if TYPE_CHECKING:
    from dspex.clients.cost.budget import Budget


@dataclass(frozen=True)
class EvaluateOptions:
    """An evaluation as given on the command line.

    Args:
        code: Program and metric.
        lm: The language model.
        deployment: Store, server and task queue.
        data: The file of rows to score on.
        inputs: The columns that the program is given, separated by commas.
        run_id: The run's name.
        durable: Run on the workers of the task queue.
        batch: Make the calls through the provider's batch API.
        as_json: Print one JSON object.
        budget: What the run may spend at most.
    """

    code: TargetOptions
    lm: LMArguments
    deployment: Deployment
    data: Path
    inputs: str | None = None
    run_id: str | None = None
    durable: bool = False
    batch: bool = False
    as_json: bool = False
    budget: Budget | None = None


def evaluate(options: EvaluateOptions) -> None:
    """Score the program and print how it did.

    Raises:
        UsageError: bad input; nothing was run.
        DSPyError: the provider, the store or the server stayed away, or the set-up is wrong.
        Ended: interrupted.
    """
    request = _request(options)
    runs_on = backend(TEMPORAL if options.durable else LOCAL, options.deployment)
    outcome = follow(start(runs_on.start_evaluation(request)))
    show_summary(outcome.summary, as_json=options.as_json, failures=outcome.failures)


def _request(options: EvaluateOptions) -> EvaluationRequest:
    """Find and check all that the command line names."""
    if options.run_id is not None:
        checked_run_id(options.run_id)
    code = resolve_target(options.code)
    if code.metric is None:
        raise UsageError("No metric. Name one: --metric exact_match, or contains, f1, package.module:function.")
    lm = make_lm(options.lm)
    data = data_file(options.data, "--data")
    configure(num_threads=options.lm.concurrency)
    return EvaluationRequest(
        code=code,
        devset=FileRows(data, choose_columns(data, code, options.inputs)),
        lm=lm,
        run_id=options.run_id,
        budget=options.budget,
        batch=options.batch,
    )
