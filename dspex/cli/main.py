"""How a command ends: one clear message and an exit status, never a traceback, and nothing left behind.

Exit status: 0 done, 1 the run failed or what it needs is not there, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from dspex.errors import DSPyError, LMConfigurationError, ProgramNotAvailableError, UsageError

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130

TRACEBACK_VARIABLE = "DSPEX_TRACEBACK"
"""Set to 1, a failure shows its traceback."""


class Ended(Exception):
    """A command ends now with `status`; what there was to say is said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _listen_to_signals()
    try:
        return _command(arguments)
    except Ended as ended:
        return ended.status
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        return FAILED
    except Exception as error:  # noqa: BLE001  # the one place where all is caught, and said
        return _explain(error)


def complain(message: str) -> None:
    """Say on standard error what is wrong."""
    print(f"error: {message}", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Say something on standard error."""
    print(message, file=sys.stderr, flush=True)


def end(status: int) -> NoReturn:
    """End the process at once, with everything written and the store's claims released.

    Not by `sys.exit`: threads of Temporal's core may abort a Python that is being torn down.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever cannot wait for the store may leave
    _close_stores()
    _flush_telemetry()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def status_of(error: BaseException) -> int:
    """The exit status that stands for `error`."""
    usage = (UsageError, LMConfigurationError, ProgramNotAvailableError)
    return USAGE if isinstance(error, usage) else FAILED


def _command(arguments: Sequence[str] | None) -> int:
    import typer

    from dspex.cli.app import app
    from dspex.observability.set_up import set_up_for_command

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
    if os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0"):
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


def _listen_to_signals() -> None:
    """Ctrl-C and SIGTERM both interrupt, also in a process that a script started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _flush_telemetry() -> None:
    from dspex.observability.set_up import flush

    flush()


def _close_stores() -> None:
    if "dspex.store.store" not in sys.modules:
        return
    from dspex.store.store import close_all

    with suppress(DSPyError):
        close_all()
