"""Log lines for people, on standard error: short, and a traceback only where it is asked for."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from dspex.cli.main import TRACEBACK_VARIABLE
from dspex.logs import leave_logging_to_the_application

LEVEL_VARIABLE = "DSPEX_LOG"
_SAME_AGAIN_S = 60.0
_MOST_REMEMBERED = 1000


def show_logs(default: str = "WARNING") -> None:
    """Log to standard error from ``DSPEX_LOG`` (debug, info, ...) on, else from `default` on."""
    leave_logging_to_the_application()
    level = os.environ.get(LEVEL_VARIABLE, default).upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_once_a_minute())
    logging.basicConfig(level=level if level in logging.getLevelNamesMapping() else default, handlers=[handler])


def _once_a_minute() -> Callable[[logging.LogRecord], bool]:
    """Passes a message that is repeated, as retries repeat theirs, once a minute."""
    said: dict[str, float] = {}

    def is_new(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        key = f"{_first_line(record)} {error}"
        if record.created - said.get(key, 0.0) < _SAME_AGAIN_S:
            return False
        if len(said) >= _MOST_REMEMBERED:
            said.clear()
        said[key] = record.created
        return True

    return is_new


class _OneLine(logging.Formatter):
    """Failures that Temporal will retry are everyday; their tracebacks would bury what matters."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and os.environ.get(TRACEBACK_VARIABLE, "") in ("", "0"):
            error = record.exc_info[1]
            record = logging.makeLogRecord({**vars(record), "exc_info": None, "exc_text": None})
            record.msg, record.args = f"{_first_line(record)}: {error}", ()
        return super().format(record)


def _first_line(record: logging.LogRecord) -> str:
    return record.getMessage().partition(" ({")[0]
