"""``dspex worker``: one more worker, on any host."""

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
        int | None, typer.Option("--max-chunks", min=1, help="Pieces of work in flight at once; 16 unless said.")
    ] = None,
) -> None:
    """Work on the runs of a task queue.

    Only code of the modules that are named is run, and dspex's own. Waits for the server if it is not there yet.
    SIGTERM or Ctrl-C: finish what is in flight, then end.
    """
    from dspex.cli.worker.serve import WorkerOptions, work_until_told

    work_until_told(
        WorkerOptions(
            imports=imports or [],
            temporal=temporal,
            namespace=namespace,
            store=store,
            task_queue=task_queue,
            max_chunks=max_chunks,
        )
    )
