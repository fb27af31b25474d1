"""Log lines for people, on standard error: short, and with a traceback only on request."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from dspex.cli.output.exit import shows_traceback
from dspex.logs import leave_logging_to_the_application

LEVEL_VARIABLE = "DSPEX_LOG"
"""The environment variable that says from which level on messages are logged."""

_SAME_AGAIN_S = 60.0
_MOST_REMEMBERED = 1000


def show_logs(default: str = "WARNING") -> None:
    """Log to standard error, short and without repetition.

    Args:
        default: The level to log from where ``DSPEX_LOG`` (debug, info, ...) does not say.
    """
    leave_logging_to_the_application()
    level = os.environ.get(LEVEL_VARIABLE, default).upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_once_a_minute())
    logging.basicConfig(level=level if level in logging.getLevelNamesMapping() else default, handlers=[handler])


def _once_a_minute() -> Callable[[logging.LogRecord], bool]:
    """A filter that lets a message which is repeated, as retries repeat theirs, through once a minute."""
    last_logged: dict[str, float] = {}

    def is_new(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        key = f"{_first_line(record)} {error}"
        if record.created - last_logged.get(key, 0.0) < _SAME_AGAIN_S:
            return False
        if len(last_logged) >= _MOST_REMEMBERED:
            last_logged.clear()
        last_logged[key] = record.created
        return True

    return is_new


class _OneLine(logging.Formatter):
    """Formats an error as one line: failures that Temporal retries are everyday, and tracebacks would bury the rest."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and not shows_traceback():
            error = record.exc_info[1]
            record = logging.makeLogRecord({**vars(record), "exc_info": None, "exc_text": None})
            record.msg, record.args = f"{_first_line(record)}: {error}", ()
        return super().format(record)


def _first_line(record: logging.LogRecord) -> str:
    return record.getMessage().partition(" ({")[0]
