"""What dspex says while it works, on standard error: for programs that have not set up logging themselves.

The loggers are called ``dspex.*``. Where the application has handlers of its own, they get everything and this one
keeps quiet.
"""

from __future__ import annotations

import logging
import sys

LOGGING_LINE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOGGING_DATETIME_FORMAT = "%Y/%m/%d %H:%M:%S"

_HANDLER = "dspex_handler"


class DSPyLoggingStream:
    """Standard error as it is when something is written, or nothing while not `enabled`."""

    def __init__(self) -> None:
        self.enabled = True

    def write(self, text: str) -> None:
        if self.enabled:
            sys.stderr.write(text)

    def flush(self) -> None:
        if self.enabled:
            sys.stderr.flush()


DSPY_LOGGING_STREAM = DSPyLoggingStream()


def disable_logging() -> None:
    """Say nothing any more on standard error; the application's own handlers still hear everything."""
    DSPY_LOGGING_STREAM.enabled = False


def enable_logging() -> None:
    """Undo `disable_logging`."""
    DSPY_LOGGING_STREAM.enabled = True


def configure_dspy_loggers(root_module_name: str = "dspex") -> None:
    """Let the loggers under `root_module_name` say on standard error what is of level INFO and above.

    Done for ``dspex`` when it is imported. Doing it again changes nothing more.
    """
    logger = logging.getLogger(root_module_name)
    for handler in [one for one in logger.handlers if one.name == _HANDLER]:
        logger.removeHandler(handler)
    handler = logging.StreamHandler(DSPY_LOGGING_STREAM)
    handler.setFormatter(logging.Formatter(LOGGING_LINE_FORMAT, LOGGING_DATETIME_FORMAT))
    handler.addFilter(_nobody_else_listens)
    handler.name = _HANDLER
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def leave_logging_to_the_application() -> None:
    """Undo `configure_dspy_loggers`: for an application that decides by itself what is logged from which level on."""
    logger = logging.getLogger("dspex")
    logger.setLevel(logging.NOTSET)
    for handler in [one for one in logger.handlers if one.name == _HANDLER]:
        logger.removeHandler(handler)


def _nobody_else_listens(record: logging.LogRecord) -> bool:
    return not logging.getLogger().handlers
