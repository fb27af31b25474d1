"""A program's stream as server-sent events, for a web service to answer with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from typing import Any

import orjson

from dspex.errors import UsageError
from dspex.primitives.prediction import Prediction
from dspex.streaming.chunks import is_chunk
from dspex.streaming.messages import StatusMessage, StreamResponse


async def streaming_response(streamer: AsyncIterator[Any]) -> AsyncGenerator[str, None]:
    """Write each value of a streamed program as a ``data:`` line, and ``data: [DONE]`` at the end.

    A line holds a JSON object with one key: ``chunk`` (an LM's chunk, as JSON in a string), ``prediction`` (its
    fields), ``stream_response`` or ``status_message``. Strings that are such lines already are passed on.

    Raises:
        UsageError: the program streams something else (a ValueError).
    """
    async for value in streamer:
        yield _line(value)
    yield "data: [DONE]\n\n"


def _line(value: Any) -> str:
    if isinstance(value, str) and value.startswith("data:"):
        return value
    if isinstance(value, Prediction):
        data: dict[str, Any] = {"prediction": dict(value.items(include_dspy=False))}
    elif is_chunk(value):
        data = {"chunk": value.json()}
    elif isinstance(value, StreamResponse):
        data = {"stream_response": asdict(value)}
    elif isinstance(value, StatusMessage):
        data = {"status_message": value.message}
    else:
        raise UsageError(f"Unknown chunk value type: {value}")
    return f"data: {orjson.dumps(data, default=_as_json).decode()}\n\n"


def _as_json(value: Any) -> Any:
    """A field's value that JSON does not know: a pydantic model as a dict, all else as its text."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else str(value)
