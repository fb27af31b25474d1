"""The command ``dspex worker``."""

from __future__ import annotations

from typing import Annotated

import typer

from dspex.cli.inputs.options import Import, Namespace, StoreUrl, TaskQueue, Temporal


def worker(
    imports: Import = None,
    temporal: Temporal = None,
    namespace: Namespace = None,
    store: StoreUrl = None,
    task_queue: TaskQueue = None,
    max_chunks: Annotated[
        int | None, typer.Option("--max-chunks", min=1, help="Chunks of work in flight at once. Default: 16.")
    ] = None,
) -> None:
    """Work on the runs of a task queue.

    Runs only code of the modules that --import names, and dspex's own. Waits for the server if it is not there yet.
    SIGTERM or Ctrl-C: finish what is in flight, then end.
    """
    from dspex.cli.worker.serve import WorkerOptions, work_until_stopped

    work_until_stopped(
        WorkerOptions(
            imports=imports or [],
            temporal=temporal,
            namespace=namespace,
            store=store,
            task_queue=task_queue,
            max_chunks=max_chunks,
        )
    )
