"""What ``dspex optimize`` does: check everything, then run here or durably."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.cli.inputs.data import Columns, choose_columns, data_file
from dspex.cli.inputs.deployment import Deployment
from dspex.cli.inputs.lm_options import LMArguments, make_lm
from dspex.cli.inputs.target import ResolvedTarget, TargetOptions, resolve_target
from dspex.cli.output.output_file import DEFAULT, check_output
from dspex.errors import UsageError
from dspex.runner.run_id import checked_run_id

if TYPE_CHECKING:
    from dspex.clients import LM
    from dspex.clients.cost.budget import Budget
    from dspex.datafiles import DataFile
    from dspex.teleprompt.optimizer import Optimizer


@dataclass(frozen=True)
class OptimizeRequest:
    """As given on the command line."""

    code: TargetOptions
    lm: LMArguments
    place: Deployment
    optimizer: str
    train: Path
    val: Path | None = None
    inputs: str | None = None
    arguments: Sequence[str] = ()
    seed: int | None = None
    run_id: str | None = None
    out: Path | None = None
    local: bool = False
    detach: bool = False
    as_json: bool = False
    budget: Budget | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Prepared:
    """All that the command line names, found and checked. Nothing is run or paid for yet."""

    request: OptimizeRequest
    code: ResolvedTarget
    lm: LM
    optimizer: Optimizer[Any]
    train: DataFile
    val: DataFile | None
    columns: Columns
    out: Path


def optimize(request: OptimizeRequest) -> None:
    """Optimize, here or durably.

    Raises:
        UsageError: bad input; nothing was run.
        DSPyError: the run failed.
        Ended: interrupted.
    """
    prepared = prepare(request)
    if request.dry_run:
        from dspex.cli.optimize.dry_run import tell_costs

        tell_costs(prepared)
    elif request.local:
        from dspex.cli.optimize.local import optimize_in_this_process

        optimize_in_this_process(prepared)
    else:
        from dspex.cli.optimize.durable import optimize_on_workers

        optimize_on_workers(prepared)


def prepare(request: OptimizeRequest) -> Prepared:
    """Find and check all that the command line names.

    Raises:
        UsageError: something is missing, misspelt or does not fit.
    """
    _refuse_contradictions(request)
    if request.run_id is not None:
        checked_run_id(request.run_id)
    out = request.out or DEFAULT
    if not (request.detach or request.dry_run):
        check_output(out)
    code = resolve_target(request.code)
    optimizer = _optimizer(request, code)
    lm = make_lm(request.lm)
    train = data_file(request.train, "--train")
    val = data_file(request.val, "--val") if request.val else None
    columns = choose_columns(train, code, request.inputs)
    if val is not None:
        columns.check(val.first(), str(val.path))
    _set_concurrency(request.lm.concurrency)
    return Prepared(request, code, lm, optimizer, train, val, columns, out)


def _refuse_contradictions(request: OptimizeRequest) -> None:
    if request.local and request.detach:
        raise UsageError("--local runs in this process and --detach leaves it to the workers: choose one.")
    if request.detach and request.out:
        raise UsageError("With --detach nobody waits to write --out. Get it later: dspex runs result ID --out FILE.")


def _optimizer(request: OptimizeRequest, code: ResolvedTarget) -> Optimizer[Any]:
    from dspex.teleprompt.registry import arguments_from_text, make_optimizer, takes_metric

    texts = _pairs(request.arguments)
    if request.seed is not None:
        if "seed" in texts:
            raise UsageError("The seed is given twice: by --seed and by --set seed=...")
        texts["seed"] = str(request.seed)
    arguments = arguments_from_text(request.optimizer, texts)
    if code.metric is None and (request.val or takes_metric(request.optimizer)):
        raise UsageError("No metric. Name one: --metric exact_match, or contains, f1, package.module:function.")
    return make_optimizer(request.optimizer, arguments, metric=code.metric)


def _pairs(settings: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting}: write --set name=value.")
        if key.strip() in pairs:
            raise UsageError(f"--set {key.strip()} is given twice.")
        pairs[key.strip()] = value
    return pairs


def _set_concurrency(limit: int) -> None:
    from dspex.settings import configure

    configure(num_threads=limit)
