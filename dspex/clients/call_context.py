"""Whether something of an answer was already shown to the user while it came in.

An adapter that would ask again when it cannot read an answer must not: the user has seen the first one. The code that
passes a streamed chunk on calls `stream_emitted`; names and path are DSPy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class StreamProgress:
    """`emitted`: a chunk of the answer has reached the user."""

    emitted: bool = False


_adapter_calls: ContextVar[tuple[StreamProgress, ...]] = ContextVar("dspex_adapter_stream_progress", default=())


@contextmanager
def adapter_fallback_scope() -> Iterator[StreamProgress]:
    """Watch the LM calls inside the block, in this task and in those it starts."""
    progress = StreamProgress()
    token = _adapter_calls.set((*_adapter_calls.get(), progress))
    try:
        yield progress
    finally:
        _adapter_calls.reset(token)


def stream_emitted() -> None:
    """Note, for every adapter call in progress here, that a chunk has reached the user."""
    for progress in _adapter_calls.get():
        progress.emitted = True
