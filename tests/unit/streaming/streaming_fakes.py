"""A provider in memory that streams: each answer in the pieces that a test chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dspex.clients import LM
from dspex.clients.http.transport import OpenResponse, RawResponse
from dspex.errors import LMTransportError

BASE = "http://provider.test/v1"


def delta(content: str | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """One chunk of a chat completion, as a server-sent event."""
    given = {**({} if content is None else {"content": content}), **more}
    choice = {"index": index, "delta": given, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "served", "choices": [choice]})


def event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}})
DONE = b"data: [DONE]\n\n"


def answer(*texts: str) -> list[bytes]:
    """A whole streamed answer, whose chunks are `texts`."""
    return [delta("", role="assistant"), *map(delta, texts), delta(finish="stop"), USAGE, DONE]


def fields(cut: int = 5, **values: str) -> list[bytes]:
    """A whole streamed answer in ChatAdapter's form, `cut` characters a chunk."""
    text = "\n\n".join([*(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()), "[[ ## completed ## ]]"])
    return answer(*(text[at : at + cut] for at in range(0, len(text), cut)))


class StreamingTransport:
    """Streams each of `answers` in turn. A list's exception is raised in its place; an event is waited for."""

    def __init__(self, *answers: Iterable[bytes | Exception | asyncio.Event] | RawResponse) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        raise LMTransportError("this provider only streams")

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> AsyncIterator[OpenResponse]:
        self.sent.append(json.loads(body))
        given = self.answers.pop(0)
        if isinstance(given, RawResponse):
            yield OpenResponse(given.status, given.headers, _pieces([given.body]))
        else:
            yield OpenResponse(200, {"Content-Type": "text/event-stream"}, _pieces(given))


async def _pieces(given: Iterable[Any]) -> AsyncIterator[bytes]:
    for piece in given:
        if isinstance(piece, Exception):
            raise piece
        if isinstance(piece, asyncio.Event):
            await piece.wait()
        else:
            yield piece


def streaming_lm(*answers: Any, **options: Any) -> LM:
    """An LM of a provider that streams `answers`; nothing is recorded unless ``cache=True``."""
    given = {"cache": False, "num_retries": 0, **options}
    return LM(
        "openai/gpt-4o-mini", api_base=BASE, api_key="sk-0123456789", transport=StreamingTransport(*answers), **given
    )
