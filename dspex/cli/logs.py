"""Log lines for people, on standard error: short, and a traceback only where it is asked for."""

from __future__ import annotations

import logging
import os
import sys

from dspex.cli.ending import TRACEBACK_VARIABLE

LEVEL_VARIABLE = "DSPEX_LOG"


def show_logs(default: str = "WARNING") -> None:
    """Log to standard error from ``DSPEX_LOG`` (debug, info, ...) on, else from `default` on."""
    level = os.environ.get(LEVEL_VARIABLE, default).upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level if level in logging.getLevelNamesMapping() else default, handlers=[handler])


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
