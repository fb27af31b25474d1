"""The command ``dspex dev``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options


def dev(
    imports: options.Import = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the server keeps its runs. Default: a folder in the user's home."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the Temporal server.")] = 7233,
    ui_port: Annotated[
        int | None, typer.Option("--ui-port", min=1, max=65535, help="The port of the Web UI. Default: --port + 1000.")
    ] = None,
    ip: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    task_queue: options.TaskQueue = None,
    store: options.StoreUrl = None,
) -> None:
    """Start a Temporal server, Web UI and worker.

    That is everything durable runs need, on this machine. Starts again what dies. Runs are kept on disk, and go on
    when this command is started again. Ctrl-C ends all.
    """
    from dspex.cli.dev.options import DevOptions
    from dspex.cli.dev.supervisor import supervise

    supervise(
        DevOptions(
            imports=imports or [],
            state=state,
            port=port,
            ui_port=ui_port,
            ip=ip,
            task_queue=task_queue,
            store=store,
        )
    )
