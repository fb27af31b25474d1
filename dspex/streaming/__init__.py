"""Programs whose answers are seen as they come: `streamify`, and what it yields. Names and paths are DSPy's."""

from __future__ import annotations

from dspex.streaming.messages import (
    StatusMessage,
    StatusMessageProvider,
    StatusStreamingCallback,
    StreamResponse,
    sync_send_to_stream,
)
from dspex.streaming.responses import streaming_response
from dspex.streaming.streamify import streamify
from dspex.streaming.streaming_listener import StreamListener
from dspex.streaming.synchronous import apply_sync_streaming

__all__ = [
    "StatusMessage",
    "StatusMessageProvider",
    "StatusStreamingCallback",
    "StreamListener",
    "StreamResponse",
    "apply_sync_streaming",
    "streamify",
    "streaming_response",
    "sync_send_to_stream",
]
