"""Deep copies of programs.

Demos and everything else a program holds are copied; LMs, which stand for a connection and a history, and signatures,
which never change, are shared.
"""

from __future__ import annotations

import copy
import logging
from typing import Any, TypeVar

from dspex.clients.base_lm import BaseLM
from dspex.primitives.parameter import ParameterHolder

logger = logging.getLogger(__name__)

_STAYS_BEHIND = ("history", "callbacks")


M = TypeVar("M", bound=ParameterHolder)


def copy_module(module: M, memo: dict[int, Any]) -> M:
    """Copy a module deeply, without its history and callbacks; LMs and signatures are shared.

    Args:
        module: The module.
        memo: The memo of `copy.deepcopy`: copies made so far by `id`.
    """
    copied = type(module).__new__(type(module))
    memo[id(module)] = copied
    own = copied.__dict__
    for name, value in module.__dict__.items():
        own[name] = [] if name in _STAYS_BEHIND else _copy_attribute(module, name, value, memo)
    return copied


def _copy_attribute(module: ParameterHolder, name: str, value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, BaseLM):
        return value
    try:
        return copy.deepcopy(value, memo)
    except Exception as error:  # noqa: BLE001 - an object of the user's may refuse to be copied in any way it likes
        logger.warning(
            "Failed to deep copy attribute '%s' of %s (%s: %s): what it holds is shared with the copy.",
            name, type(module).__name__, type(error).__name__, error,
        )  # fmt: skip
        return _shallow_copy(value)


def _shallow_copy(value: Any) -> Any:
    try:
        return copy.copy(value)
    except Exception:  # noqa: BLE001 - as above
        return value
