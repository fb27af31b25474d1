"""What ``dspex optimize`` is given, and what that names: found and checked before anything is run or paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.cli.inputs.data import FileRows, choose_columns, data_file
from dspex.cli.inputs.deployment import Deployment
from dspex.cli.inputs.lm_arguments import LMArguments, make_lm
from dspex.cli.inputs.target import ResolvedTarget, TargetOptions, resolve_target
from dspex.cli.output.output_file import DEFAULT, check_output
from dspex.errors import UsageError
from dspex.runner.run_id import checked_run_id
from dspex.settings import configure

if TYPE_CHECKING:
    from dspex.clients import LM
    from dspex.clients.cost.budget import Budget
    from dspex.teleprompt.optimizer import Optimizer


@dataclass(frozen=True)
class OptimizeOptions:
    """An optimization as given on the command line.

    Args:
        code: Program, teacher and metric.
        lm: The language model.
        deployment: Store, server and task queue.
        optimizer: The optimizer's name.
        train: The file of training rows.
        val: The file of rows to score on.
        inputs: The columns that the program is given, separated by commas.
        arguments: Arguments of the optimizer, ``name=value`` each.
        seed: Seed of the optimizer's random choices.
        run_id: The run's name.
        out: Where to write the program.
        local: Run in this process.
        detach: Start the run, and leave it to the workers.
        as_json: Print one JSON object.
        budget: What the run may spend at most.
        dry_run: Only say what the run would cost at most.
    """

    code: TargetOptions
    lm: LMArguments
    deployment: Deployment
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
    """All that the options of a run name, found and checked."""

    options: OptimizeOptions
    code: ResolvedTarget
    lm: LM
    optimizer: Optimizer[Any]
    train: FileRows
    val: FileRows | None
    out: Path


def prepare(options: OptimizeOptions) -> Prepared:
    """Find and check all that the command line names.

    Raises:
        UsageError: something is missing, misspelt or does not fit.
    """
    _refuse_contradictions(options)
    if options.run_id is not None:
        checked_run_id(options.run_id)
    out = options.out or DEFAULT
    if not (options.detach or options.dry_run):
        check_output(out)
    code = resolve_target(options.code)
    optimizer = _optimizer(options, code)
    lm = make_lm(options.lm)
    train = data_file(options.train, "--train")
    val = data_file(options.val, "--val") if options.val else None
    columns = choose_columns(train, code, options.inputs)
    if val is not None:
        columns.check(val.first(), str(val.path))
    configure(num_threads=options.lm.concurrency)
    return Prepared(
        options, code, lm, optimizer, FileRows(train, columns), FileRows(val, columns) if val is not None else None, out
    )


def _refuse_contradictions(options: OptimizeOptions) -> None:
    if options.local and options.detach:
        raise UsageError("--local runs in this process and --detach leaves it to the workers: choose one.")
    if options.detach and options.out:
        raise UsageError("With --detach nobody waits to write --out. Get it later: dspex runs result ID --out FILE.")


def _optimizer(options: OptimizeOptions, code: ResolvedTarget) -> Optimizer[Any]:
    from dspex.teleprompt.registry import arguments_from_text, make_optimizer, takes_metric

    texts = _pairs(options.arguments)
    if options.seed is not None:
        if "seed" in texts:
            raise UsageError("The seed is given twice: by --seed and by --set seed=...")
        texts["seed"] = str(options.seed)
    arguments = arguments_from_text(options.optimizer, texts)
    if code.metric is None and (options.val or takes_metric(options.optimizer)):
        raise UsageError("No metric. Name one: --metric exact_match, or contains, f1, package.module:function.")
    return make_optimizer(options.optimizer, arguments, metric=code.metric)


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {argument}: write --set name=value.")
        if key.strip() in pairs:
            raise UsageError(f"--set {key.strip()} is given twice.")
        pairs[key.strip()] = value
    return pairs
