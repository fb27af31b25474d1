"""The command ``dspex doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options


def doctor(
    as_json: options.AsJson = False,
    temporal: options.Temporal = None,
    namespace: options.Namespace = None,
    task_queue: options.TaskQueue = None,
    store: options.StoreUrl = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of `dspex dev`.")] = None,
) -> None:
    """Check what dspex needs, and say what to do.

    Python, packages, keys, the store, the server, workers, room on the disk. Exit status 1 if anything fails.
    """
    from dspex.cli.doctor.checks import check_everything
    from dspex.cli.inputs.deployment import Deployment

    check_everything(Deployment(store, temporal, namespace, task_queue), state, as_json=as_json)
