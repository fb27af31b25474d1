"""``dspex ledger``: what the ledger holds, and how to make it smaller or copy it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options

ledger = typer.Typer(help="Look after the ledger of LM calls: stats, prune, export.", no_args_is_help=True)

OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="AGE", help="Recorded longer ago than that: 30d, 12h, 90m, 2w.")
]
Run = Annotated[str | None, typer.Option("--run", metavar="ID", help="Paid for by that run.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Of that model: openai/gpt-4o-mini, say.")]


@ledger.command()
def stats(
    as_json: options.AsJson = False,
    store: options.StoreUrl = None,
) -> None:
    """What the ledger holds, by model."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.upkeep import show_stats

    show_stats(Deployment(store=store), as_json=as_json)


@ledger.command()
def prune(
    older_than: OlderThan = None,
    run_id: Run = None,
    model: Model = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="The oldest, until the others fit in that: 500MB, 2GB."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be thrown away.")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Then give the room back to the disk (needs room for a copy).")
    ] = False,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Throw answers away that meet all conditions given. Runs in progress are left alone; bills stay as they are.

    dspex ledger prune --older-than 30d --dry-run
    """
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.upkeep import Wanted, prune_ledger

    wanted = Wanted(older_than, run_id, model, max_size)
    place = Deployment(temporal, namespace, None, store)
    prune_ledger(place, wanted, dry_run=dry_run, compact=compact, as_json=as_json)


@ledger.command()
def export(
    older_than: OlderThan = None,
    run_id: Run = None,
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; standard output unless said.")
    ] = None,
    store: options.StoreUrl = None,
) -> None:
    """Write calls as lines of JSON: answer, tokens, price, latency, predictor, run. Any number, in little memory."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.ledger.upkeep import Wanted, export_ledger

    export_ledger(Deployment(store=store), Wanted(older_than, run_id, model, None), out)
