"""Pickle modules with their code, for the length of one save.

cloudpickle's registry of such modules belongs to the process and outlasts a save. Saves that overlap share what they
registered; what the user registered stays.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

_lock = threading.Lock()
_in_use: Counter[str] = Counter()


@contextmanager
def serialize_by_value(modules: Iterable[ModuleType] | None) -> Iterator[None]:
    """Inside the block cloudpickle pickles `modules` by value."""
    ours = _register(list(modules or ()))
    try:
        yield
    finally:
        _unregister(ours)


def _register(modules: list[ModuleType]) -> list[ModuleType]:
    import cloudpickle

    with _lock:
        known = cloudpickle.list_registry_pickle_by_value()
        ours = [module for module in modules if _in_use[module.__name__] or module.__name__ not in known]
        for module in ours:
            if not _in_use[module.__name__]:
                cloudpickle.register_pickle_by_value(module)
            _in_use[module.__name__] += 1
    return ours


def _unregister(modules: list[ModuleType]) -> None:
    import cloudpickle

    with _lock:
        for module in modules:
            _in_use[module.__name__] -= 1
            if not _in_use[module.__name__]:
                with suppress(ValueError):  # the user unregistered it meanwhile
                    cloudpickle.unregister_pickle_by_value(module)
