"""The command ``dspex``. Only what a command needs is imported, so that ``dspex --help`` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit status (see `dspex.cli.main`)."""
    from dspex.cli.main import end, run

    end(run(arguments))
