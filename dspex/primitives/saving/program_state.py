"""Load a program's state, all of it or nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dspex.errors import UsageError
from dspex.primitives.parameter import Parameter, ParameterHolder, Predictor


class MissingStateError(UsageError, KeyError):
    """A saved state lacks a part of the program."""

    __str__ = Exception.__str__


def apply_state(module: ParameterHolder, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool) -> None:
    """Check a whole state against the parameters of a module, then change them.

    Args:
        module: The module.
        state: The state of each parameter by its path.
        allow_unsafe_lm_state: As for `Module.load_state`.

    Raises:
        UsageError: a parameter has no state, or one that does not fit; nothing has been changed.
    """
    parameters = module.named_parameters()
    missing = [path for path, _ in parameters if path not in state]
    if missing:
        there = ", ".join(path for path in state if path != "metadata") or "nothing"
        raise MissingStateError(f"there is no state for predictor {', '.join(missing)}. It holds: {there}.")
    changes = [_checked(path, part, state[path], allow_unsafe_lm_state) for path, part in parameters]
    for change in changes:
        change()


def _checked(path: str, part: Parameter, state: Any, allow_unsafe_lm_state: bool) -> Callable[[], object]:
    if isinstance(part, Predictor) and type(part).load_state is Predictor.load_state:
        attributes = part.read_state(state, where=path, allow_unsafe_lm_state=allow_unsafe_lm_state)
        return partial(part.__dict__.update, attributes)
    options = {"allow_unsafe_lm_state": allow_unsafe_lm_state} if isinstance(part, ParameterHolder) else {}
    trial: Any = copy.deepcopy(part)
    trial.load_state(state, **options)
    return partial(part.load_state, state, **options)  # type: ignore[attr-defined]
