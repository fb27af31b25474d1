"""The commands of ``dspex runs``."""

from __future__ import annotations

from typing import Annotated

import typer

from dspex.cli.inputs import options

runs = typer.Typer(help="Look at runs, end them, get their results.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The run's name, as it was printed when it was started.")]


@runs.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 20,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """List the runs that the server and the store know, the latest first."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.listing import show_list

    show_list(Deployment(store, temporal, namespace), limit, as_json=as_json)


@runs.command()
def show(
    run_id: Id,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Show one run: its state, its scores, what failed."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.details import show_run

    show_run(Deployment(store, temporal, namespace), run_id, as_json=as_json)


@runs.command()
def watch(
    run_id: Id,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    task_queue: options.TaskQueue = None,
    store: options.StoreUrl = None,
) -> None:
    """Follow a run to its end, then print what it found. Ctrl-C leaves it running."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.result import watch_run

    watch_run(Deployment(store, temporal, namespace, task_queue), run_id, as_json=as_json)


@runs.command()
def result(
    run_id: Id,
    out: options.Out = None,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Print what a run found; waits for its end. With --out, write the optimized program."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.result import show_result

    show_result(Deployment(store, temporal, namespace), run_id, out, as_json=as_json)


@runs.command()
def stop(
    run_id: Id,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """End a run now, with the best program so far as its result."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.control import control_run

    control_run(Deployment(store, temporal, namespace), run_id, "stop")


@runs.command()
def pause(
    run_id: Id,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Let a run finish its step and then wait."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.control import control_run

    control_run(Deployment(store, temporal, namespace), run_id, "pause")


@runs.command()
def resume(
    run_id: Id,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Go on after a pause."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.control import control_run

    control_run(Deployment(store, temporal, namespace), run_id, "resume")


@runs.command()
def budget(
    run_id: Id,
    usd: Annotated[float | None, typer.Option("--usd", min=0.0, help="The most that it may cost, in all.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", min=0, help="The most tokens, in all.")] = None,
    calls: Annotated[int | None, typer.Option("--calls", min=0, help="The most LM calls, in all.")] = None,
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """Show what a run may spend and has spent, or change it. A run that waits for a bigger budget goes on."""
    from dspex.cli.inputs.budget import budget_of
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.budget import show_budget

    show_budget(Deployment(store, temporal, namespace), run_id, budget_of(usd, tokens, calls), as_json=as_json)


@runs.command()
def cancel(
    run_id: Id,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    store: options.StoreUrl = None,
) -> None:
    """End a run without a result."""
    from dspex.cli.inputs.deployment import Deployment
    from dspex.cli.runs.control import control_run

    control_run(Deployment(store, temporal, namespace), run_id, "cancel")
