"""The command ``dspex``: a folder a command. A command imports only what it needs: ``dspex --help`` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit status.

    Args:
        arguments: The command and its arguments, as ``["optimize", ...]``; by default those of the process.
    """
    from dspex.cli.command_line import run
    from dspex.cli.output.exit import end

    end(run(arguments))
