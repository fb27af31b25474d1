"""Who collects LM calls for a batch, where the running code is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dspex.clients.calls.call import FinishedCall, LMCall
    from dspex.clients.calls.scope import CallScope


class BatchCollector(Protocol):
    """Takes calls to be answered by a batch."""

    async def answer(self, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """Return the call's answer, once it is there; None if the call is to be made as an ordinary one after all."""
        ...


_current: ContextVar[BatchCollector | None] = ContextVar("dspex_batch_collector", default=None)


def current_collector() -> BatchCollector | None:
    """Return the collector of the running code; None where calls are made as usual."""
    return _current.get()


@contextmanager
def collecting(collector: BatchCollector | None) -> Iterator[None]:
    """Have `collector` take the LM calls of the code inside the block; with None, make them as usual."""
    token = _current.set(collector)
    try:
        yield
    finally:
        _current.reset(token)
