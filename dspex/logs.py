"""Log messages on standard error, for programs that have not set up logging themselves.

The loggers are called ``dspex.*``. Where the application has handlers of its own, those get all messages, and this
handler writes nothing.
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
        """Write to standard error."""
        if self.enabled:
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush standard error."""
        if self.enabled:
            sys.stderr.flush()


DSPY_LOGGING_STREAM = DSPyLoggingStream()


def disable_logging() -> None:
    """Stop writing to standard error; the application's own handlers still get all messages."""
    DSPY_LOGGING_STREAM.enabled = False


def enable_logging() -> None:
    """Undo `disable_logging`."""
    DSPY_LOGGING_STREAM.enabled = True


def configure_dspy_loggers(root_module_name: str = "dspex") -> None:
    """Let the loggers under `root_module_name` write messages of level INFO and above to standard error.

    ``import dspex`` does this for ``dspex``. A second call changes nothing.
    """
    logger = logging.getLogger(root_module_name)
    for handler in [one for one in logger.handlers if one.name == _HANDLER]:
        logger.removeHandler(handler)
    handler = logging.StreamHandler(DSPY_LOGGING_STREAM)
    handler.setFormatter(logging.Formatter(LOGGING_LINE_FORMAT, LOGGING_DATETIME_FORMAT))
    handler.addFilter(_no_other_handlers)
    handler.name = _HANDLER
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def leave_logging_to_the_application() -> None:
    """Undo `configure_dspy_loggers`, for an application that sets handlers and levels itself."""
    logger = logging.getLogger("dspex")
    logger.setLevel(logging.NOTSET)
    for handler in [one for one in logger.handlers if one.name == _HANDLER]:
        logger.removeHandler(handler)


def _no_other_handlers(record: logging.LogRecord) -> bool:
    return not logging.getLogger().handlers
