"""litellm's own logging, for programs in which it is installed and used. dspex itself calls no model through it."""

from __future__ import annotations

import importlib
import logging
from typing import Any


def configure_litellm_logging(level: str = "ERROR") -> None:
    """Let litellm log from `level` on.

    Raises:
        ImportError: litellm is not installed.
    """
    logger = _litellm()._logging.verbose_logger
    for one in (logger, *logger.handlers):
        one.setLevel(getattr(logging, level))


def enable_litellm_logging() -> None:
    """Let litellm log everything it does."""
    _litellm().suppress_debug_info = False
    configure_litellm_logging("DEBUG")


def disable_litellm_logging() -> None:
    """Let litellm log errors only."""
    _litellm().suppress_debug_info = True
    configure_litellm_logging("ERROR")


def _litellm() -> Any:
    try:
        return importlib.import_module("litellm")
    except ImportError as error:
        raise ImportError("litellm's logging needs litellm: pip install 'dspex[litellm]'") from error
