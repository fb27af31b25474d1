"""The command ``dspex optimize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options


def optimize(
    target: options.Target,
    train: Annotated[Path, typer.Option(metavar="FILE", help="Training rows: JSONL, CSV or Parquet.")],
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="bootstrap or labeled.")] = "bootstrap",
    val: Annotated[Path | None, typer.Option(metavar="FILE", help="Rows to score on, before and after.")] = None,
    metric: options.Metric = None,
    lm: options.LMName = None,
    api_base: options.ApiBase = None,
    api_key_env: options.ApiKeyEnv = None,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    price: options.Price = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_calls: options.BudgetCalls = None,
    inputs: options.Inputs = None,
    arguments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An argument of the optimizer.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the optimizer's random choices.")] = None,
    run_id: options.RunId = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the program. Default: program.json.")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Run in this process, without a Temporal server.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Start the run, print its id, leave it to the workers.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the run would cost at most. Nothing is run or paid for.")
    ] = False,
    as_json: options.AsJson = False,
    module: options.ModuleName = None,
    instructions: options.Instructions = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Another program of the same structure to learn from.")
    ] = None,
    imports: options.Import = None,
    concurrency: options.Concurrency = 64,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    task_queue: options.TaskQueue = None,
    store: options.StoreUrl = None,
) -> None:
    """Optimize a program. Workers do it, and the run survives them and Ctrl-C; --local runs it in this process.

    dspex optimize "text -> intent" --train train.jsonl --val test.jsonl --metric exact_match --lm openai/gpt-4o-mini
    """
    from dspex.cli.inputs.budget import budget_of
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.inputs.lm_arguments import LMArguments
    from dspex.cli.inputs.target import TargetOptions
    from dspex.cli.optimize.optimize import optimize as run
    from dspex.cli.optimize.prepared import OptimizeOptions

    run(
        OptimizeOptions(
            code=TargetOptions(target, metric, teacher, module, instructions, imports or ()),
            lm=LMArguments(lm, api_base, api_key_env, max_tokens, temperature, concurrency, price),
            deployment=Deployment(store, temporal, namespace, task_queue),
            optimizer=optimizer,
            train=train,
            val=val,
            inputs=inputs,
            arguments=arguments or (),
            seed=seed,
            run_id=run_id,
            out=out,
            local=local,
            detach=detach,
            dry_run=dry_run,
            as_json=as_json,
            budget=budget_of(budget_usd, budget_tokens, budget_calls),
        )
    )
