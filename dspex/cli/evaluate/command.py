"""The command ``dspex evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options


def evaluate(
    target: options.Target,
    data: Annotated[Path, typer.Option(metavar="FILE", help="Rows to score on: JSONL, CSV or Parquet.")],
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
    run_id: options.RunId = None,
    durable: Annotated[
        bool, typer.Option("--durable", help="Run on the workers of a task queue, as a durable run.")
    ] = False,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="Call through the provider's batch API: at half the price, up to a day for each step."
        ),
    ] = False,
    as_json: options.AsJson = False,
    module: options.ModuleName = None,
    instructions: options.Instructions = None,
    imports: options.Import = None,
    concurrency: options.Concurrency = 64,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    task_queue: options.TaskQueue = None,
    store: options.StoreUrl = None,
) -> None:
    """Score a program on rows of data. In this process, without a server, unless --durable."""
    from dspex.cli.evaluate.evaluate import EvaluateOptions
    from dspex.cli.evaluate.evaluate import evaluate as run
    from dspex.cli.inputs.budget import budget_of
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.inputs.lm_arguments import LMArguments
    from dspex.cli.inputs.target import TargetOptions

    run(
        EvaluateOptions(
            code=TargetOptions(target, metric, None, module, instructions, imports or ()),
            lm=LMArguments(lm, api_base, api_key_env, max_tokens, temperature, concurrency, price),
            deployment=Deployment(store, temporal, namespace, task_queue),
            data=data,
            inputs=inputs,
            run_id=run_id,
            durable=durable,
            batch=batch,
            as_json=as_json,
            budget=budget_of(budget_usd, budget_tokens, budget_calls),
        )
    )
