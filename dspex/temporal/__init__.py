"""The durable side as its users see it: the client, and a handle on a run.

The names are loaded when they are used: workflows import `dspex.temporal.contracts.optimize` and nothing that connects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Client", "Run", "RunFailedError", "RunResult"]

if TYPE_CHECKING:
    from dspex.temporal.client import Client
    from dspex.temporal.run import Run, RunFailedError, RunResult


def __getattr__(name: str) -> Any:
    if name == "Client":
        from dspex.temporal.client import Client

        return Client
    if name in __all__:
        from dspex.temporal import run

        return getattr(run, name)
    raise AttributeError(f"module 'dspex.temporal' has no attribute {name!r}")
