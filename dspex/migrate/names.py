"""What dspex has: asked of dspex itself, so that the answer is that of the version installed."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

from dspex.migrate.advice import advice_for

_MISSING = object()


@cache
def problem_with(name: str) -> str | None:
    """What is wrong with a name of DSPy's, such as ``dspy.evaluate.SemanticF1``, in dspex; None if nothing is.

    Modules are looked into; what a class or an object has is not.
    """
    _, *path = name.split(".")
    if path == ["__version__"]:
        return "dspex.__version__ is dspex's own version: look at what it is compared with"
    found: Any = importlib.import_module("dspex")
    for place, part in enumerate(path):
        if not isinstance(found, ModuleType):
            return None
        found = _part_of(found, part)
        if found is _MISSING:
            return _what_instead(path[: place + 1], wanted=path[-1])
    return None


def has_exactly(name: str) -> bool:
    """Whether the whole of a dotted name leads somewhere in dspex, attributes of classes and all."""
    found: Any = importlib.import_module("dspex")
    for part in name.split(".")[1:]:
        found = _part_of(found, part) if isinstance(found, ModuleType) else getattr(found, part, _MISSING)
        if found is _MISSING:
            return False
    return True


def _part_of(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        return _sub_module(f"{module.__name__}.{name}") if hasattr(module, "__path__") else _MISSING
    except ImportError:  # an optional package is not installed here: the name is there all the same
        return None


def _sub_module(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        return _MISSING
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _what_instead(path: list[str], *, wanted: str) -> str:
    dspex = importlib.import_module("dspex")
    problem = f"dspex {dspex.__version__} has no {'.'.join(path)}"
    known = advice_for(path)
    if known:
        return f"{problem}: {known}"
    if wanted in dspex.__all__:
        return f"{problem}: {wanted} is dspex.{wanted}"
    close = difflib.get_close_matches(wanted, dspex.__all__, n=1, cutoff=0.85)
    return f"{problem}: did you mean dspex.{close[0]}?" if close else problem
