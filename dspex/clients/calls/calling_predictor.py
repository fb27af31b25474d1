"""Which predictor of a program makes a call: found out where a call is paid for, so that it costs nothing elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dspex.settings import read

if TYPE_CHECKING:
    from dspex.clients.calls.scope import CallScope

OTHER = "other/"
"""Begins the name of a predictor that is no part of the program, such as a judge in the metric."""
_LONGEST = 200

_known: WeakKeyDictionary[Any, dict[Any, str]] = WeakKeyDictionary()


def calling_predictor(scope: CallScope) -> str | None:
    """Return the path in the scope's program of the predictor that calls; None if no predictor does.

    A copy of a predictor, as `BestOfN` and `Refine` make them, goes by the name of its original.
    """
    called = read("caller_modules") or ()
    names = _names(scope.program) if scope.program is not None else {}
    for module in reversed(called):
        name = names.get(id(module)) or names.get(getattr(module, "stage", None))
        if name is not None:
            return name[:_LONGEST]
    for module in reversed(called):
        if hasattr(module, "demos") and hasattr(module, "signature"):
            return f"{OTHER}{_named(module.signature)}"[:_LONGEST]
    return None


def _names(program: Any) -> dict[Any, str]:
    """The paths of a program's predictors by what they are known by: their `id`, and the mark that copies share."""
    try:
        found = _known.get(program)
    except TypeError:  # a class of the user's whose objects cannot be hashed
        return _found(program)
    if found is None:
        found = _known[program] = _found(program)
    return found


def _found(program: Any) -> dict[Any, str]:
    named = getattr(program, "named_predictors", None)
    names: dict[Any, str] = {}
    for path, predictor in named() if named is not None else ():
        names[id(predictor)] = path
        names.setdefault(getattr(predictor, "stage", None), path)
    names.pop(None, None)
    return names


def _named(signature: Any) -> str:
    name = getattr(signature, "__name__", "")
    return name if name and name != "StringSignature" else str(getattr(signature, "signature", name))
