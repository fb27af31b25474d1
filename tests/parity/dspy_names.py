"""DSPy's public names, module by module, as a program can import them."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import warnings
from functools import lru_cache
from types import ModuleType

import dspy

_DSPYS_OWN = (
    "dspy._",
    "dspy.lm15",
    "dspy.clients._",
    "dspy.clients.engines",
    "dspy.clients.lm15_boundary",
    "dspy.clients.databricks",
    "dspy.retrievers.databricks_rm",
    "dspy.retrievers.weaviate_rm",
    "dspy.primitives._",
    "dspy.adapters._",
    "dspy.core",
)
"""What DSPy keeps for itself, and what needs the SDK of one vendor."""


@lru_cache(maxsize=1)
def public_names() -> dict[str, list[str]]:
    """The public names that each public module of DSPy defines, or lists in its ``__all__``."""
    found = {"dspy": sorted({*_names(dspy, own=False), "cache"})}  # which is made when it is first read
    for module in pkgutil.walk_packages(dspy.__path__, "dspy."):
        if module.name.startswith(_DSPYS_OWN):
            continue
        with warnings.catch_warnings(), contextlib.suppress(ImportError):  # of an optional package
            warnings.simplefilter("ignore")
            if names := _names(importlib.import_module(module.name), own=True):
                found[module.name] = names
    return found


def _names(module: ModuleType, *, own: bool) -> list[str]:
    listed = getattr(module, "__all__", ())
    names = []
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if not own or name in listed or getattr(value, "__module__", None) == module.__name__:
            names.append(name)
    return sorted(names)
