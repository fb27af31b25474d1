"""Run one command, and turn whatever it raises into one clear message and an exit status, never a traceback.

Exit status: 0 done, 1 the run failed or what it needs is not there, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import Any

from dspex.cli.output.exit import (
    DONE,
    FAILED,
    INTERRUPTED,
    TRACEBACK_VARIABLE,
    USAGE,
    Ended,
    complain,
    shows_traceback,
    status_of,
)
from dspex.errors import DSPyError


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: The command and its arguments, as ``["optimize", ...]``; by default those of the process.
    """
    _handle_signals()
    try:
        return _run_command(arguments)
    except Ended as ended:
        return ended.status
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        return FAILED
    except Exception as error:  # noqa: BLE001  # the one place that catches everything, and reports it
        return _explain(error)


def _run_command(arguments: Sequence[str] | None) -> int:
    import typer

    from dspex.cli.app import app
    from dspex.cli.telemetry import set_up_for_command

    set_up_for_command()

    status: Any = typer.main.get_command(app).main(
        args=None if arguments is None else list(arguments), prog_name="dspex", standalone_mode=False
    )
    return status if isinstance(status, int) else DONE


def _explain(error: Exception) -> int:
    if hasattr(error, "format_message"):  # typer's own: a missing option, an unknown command
        return _explain_usage(error)
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    if shows_traceback():
        import traceback

        traceback.print_exception(error)
    if isinstance(error, DSPyError):
        complain(str(error).strip() or type(error).__name__)
        return status_of(error)
    complain(f"{type(error).__name__}: {error} (unexpected: {TRACEBACK_VARIABLE}=1 shows where)")
    return FAILED


def _explain_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return USAGE
    complain(error.format_message())
    command = getattr(getattr(error, "ctx", None), "command_path", "dspex")
    print(f"Try '{command} --help'.", file=sys.stderr)
    return USAGE


def _handle_signals() -> None:
    """Ctrl-C and SIGTERM both interrupt, also in a process that a script started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
