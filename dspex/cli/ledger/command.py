"""The commands of ``dspex ledger``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options

ledger = typer.Typer(help="Look after the ledger of LM calls: stats, prune, export.", no_args_is_help=True)

OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="AGE", help="Recorded longer ago than this: 30d, 12h, 90m, 2w.")
]
Run = Annotated[str | None, typer.Option("--run", metavar="ID", help="Paid for by that run.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Of that model: openai/gpt-4o-mini, say.")]


@ledger.command()
def stats(
    as_json: options.AsJson = False,
    store: options.StoreUrl = None,
) -> None:
    """Show what the ledger holds, by model."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.stats import show_stats

    show_stats(Deployment(store=store), as_json=as_json)


@ledger.command()
def prune(
    older_than: OlderThan = None,
    run_id: Run = None,
    model: Model = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="The oldest, until the others fit in this: 500MB, 2GB."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Then give the space back to the disk (needs space for a copy).")
    ] = False,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Remove answers that meet all conditions given. Runs in progress are left alone; bills stay as they are.

    dspex ledger prune --older-than 30d --dry-run
    """
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.conditions import LedgerConditions
    from dspex.cli.ledger.prune import prune_ledger

    deployment = Deployment(store, temporal, namespace)
    conditions = LedgerConditions(older_than, run_id, model, max_size)
    prune_ledger(deployment, conditions, dry_run=dry_run, compact=compact, as_json=as_json)


@ledger.command()
def export(
    older_than: OlderThan = None,
    run_id: Run = None,
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; default: standard output.")
    ] = None,
    store: options.StoreUrl = None,
) -> None:
    """Write calls as lines of JSON: answer, tokens, price, latency, predictor, run. Any number, in little memory."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.conditions import LedgerConditions
    from dspex.cli.ledger.export import export_ledger

    export_ledger(Deployment(store=store), LedgerConditions(older_than, run_id, model), out)
