"""DSPy's path to logging (`dspex.logs`)."""

from dspex.logs import (
    DSPY_LOGGING_STREAM,
    LOGGING_DATETIME_FORMAT,
    LOGGING_LINE_FORMAT,
    DSPyLoggingStream,
    configure_dspy_loggers,
    disable_logging,
    enable_logging,
)

__all__ = [
    "DSPY_LOGGING_STREAM",
    "LOGGING_DATETIME_FORMAT",
    "LOGGING_LINE_FORMAT",
    "DSPyLoggingStream",
    "configure_dspy_loggers",
    "disable_logging",
    "enable_logging",
]
