"""Where pickles of dspex 0.1 find what has moved since: whole programs, settings, entries of a disk cache."""

from __future__ import annotations

import pickle
from typing import Any

MODULES = {
    "dspex.adapters.prompt": "dspex.clients.canonical.prompt",
    "dspex.clients.aiohttp_transport": "dspex.clients.http.aiohttp_transport",
    "dspex.clients.answer": "dspex.clients.canonical.answer",
    "dspex.clients.budget": "dspex.clients.cost.budget",
    "dspex.clients.cache_configuration": "dspex.clients.cache.configuration",
    "dspex.clients.disk_cache": "dspex.clients.cache.disk",
    "dspex.clients.engine_transport": "dspex.clients.engines.lm15_transport",
    "dspex.clients.pricing": "dspex.clients.cost.pricing",
    "dspex.clients.providers": "dspex.clients.wires.endpoints",
    "dspex.clients.scope": "dspex.clients.calls.scope",
    "dspex.clients.secrets": "dspex.clients.canonical.secrets",
    "dspex.clients.transport": "dspex.clients.http.transport",
    "dspex.runner.attempt": "dspex.execution.attempt",
    "dspex.utils.dotdict": "dspex.dotdict",
}
"""Modules that pickles may name, by their names in 0.1."""

NAMES = {
    ("dspex.evaluate.result", "Failure"): "FailedExample",
    ("dspex.execution.attempt", "Patience"): "RetryPolicy",
    ("dspex.sandbox.limits", "Limits"): "SandboxLimits",
    ("dspex.settings", "OwnTrace"): "DefaultTrace",
}
"""Names that have changed, by the module that they are in now."""


def present_place(module: str, name: str) -> tuple[str, str]:
    """Return the module and name under which a pickled reference is found now.

    Args:
        module: The module that the pickle names.
        name: The name in it.
    """
    module = MODULES.get(module, module)
    return module, NAMES.get((module, name), name)


class MovedUnpickler(pickle.Unpickler):
    """Unpickles what an earlier version of dspex pickled."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Find a class, by its present place if it has moved."""
        return super().find_class(*present_place(module_name, global_name))
