"""Telling an LM's own chunks from whatever else is sent into a stream."""

from __future__ import annotations

from typing import Any

from dspex.clients.canonical.stream_chunk import StreamChunk


def is_chunk(value: Any) -> bool:
    """Say whether `value` is a piece of an LM's answer: of our client, or of litellm."""
    if isinstance(value, StreamChunk):
        return True
    return any(
        cls.__name__ == "ModelResponseStream" and cls.__module__.startswith("litellm") for cls in type(value).__mro__
    )
