"""How a command ends: one clear message on standard error, an exit status, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from dspex.errors import DSPyError, LMConfigurationError, ProgramNotAvailableError, UsageError

DONE = 0
FAILED = 1
"""The run failed, or what it needs is not there."""
USAGE = 2
INTERRUPTED = 130

TRACEBACK_VARIABLE = "DSPEX_TRACEBACK"
"""The environment variable that, set to 1, makes a failure show its traceback."""


class Ended(Exception):
    """The command ends now with exit status `status`; everything worth saying has been printed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def complain(message: str) -> None:
    """Print on standard error what is wrong."""
    note(f"error: {message}")


def note(message: str) -> None:
    """Print a message on standard error."""
    print(message, file=sys.stderr, flush=True)


def shows_traceback() -> bool:
    """Whether the user asks for tracebacks, by `TRACEBACK_VARIABLE`."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


def status_of(error: BaseException) -> int:
    """The exit status that stands for `error`."""
    usage = (UsageError, LMConfigurationError, ProgramNotAvailableError)
    return USAGE if isinstance(error, usage) else FAILED


def end(status: int) -> NoReturn:
    """End the process at once with exit status `status`, with everything written and the store's claims released.

    Not by `sys.exit`: threads of Temporal's core may abort a Python that is being torn down.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends a process that waits for its store
    _close_stores()
    _flush_telemetry()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _close_stores() -> None:
    if "dspex.store.store" not in sys.modules:
        return
    from dspex.store.store import close_all

    with suppress(DSPyError):
        close_all()


def _flush_telemetry() -> None:
    from dspex.observability.set_up import flush

    flush()
