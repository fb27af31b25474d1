"""The command ``dspex migrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dspex.cli.inputs import options


def migrate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders with all that is in them.")],
    diff: Annotated[bool, typer.Option("--diff", help="Print what would change as a diff, and write nothing.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Rewrite code from DSPy to dspex. Python, notebooks, requirements.

    `import dspy` becomes `import dspex as dspy`; the code below it stays as it is. What dspex does not have, and what
    only a person can decide, is listed by file and line; the exit status is then 1.
    """
    from dspex.cli.migrate.report import migrate_paths

    migrate_paths(paths, diff=diff, as_json=as_json)
