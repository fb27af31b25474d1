"""DSPy's ``dspy.utils.saving``: `load` for whole programs."""

from __future__ import annotations

import logging
import os

from dspex.primitives.module import Module
from dspex.primitives.saving.program_file import get_dependency_versions, read_program

__all__ = ["get_dependency_versions", "load"]

logger = logging.getLogger(__name__)


def load(path: str | os.PathLike[str], allow_pickle: bool = False) -> Module:
    """Load a program that was saved with ``save_program=True``. Loading runs code: only load what you trust.

    It warns if the versions of Python, cloudpickle or DSPy's format are not those that the program was saved with.

    Args:
        path: The folder.
        allow_pickle: Must be True, to say that you trust the file.

    Raises:
        UsageError: `allow_pickle` is not set, or there is no saved program at `path`.
    """
    program: Module
    program, warnings = read_program(path, allow_pickle, get_dependency_versions())
    for warning in warnings:
        logger.warning(warning)
    return program
