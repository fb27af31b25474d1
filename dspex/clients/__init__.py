"""Language models and the way of a call to them: single flight, ledger, limit, retry, HTTP."""

from __future__ import annotations

from dspex.clients.base_lm import BaseLM
from dspex.clients.history import inspect_history
from dspex.clients.lm import LM

__all__ = ["LM", "BaseLM", "drain", "inspect_history"]


async def drain(timeout: float | None = None) -> None:
    """Wait until no call of this event loop is under way, for at most `timeout` seconds: the paid are then recorded."""
    from dspex.clients.pipeline import drain_loop

    await drain_loop(timeout)
