"""An answer passed on as it comes in, and kept whole: the streamed form of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from dspex.clients.call_context import stream_emitted
from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.stream_assembly import StreamAssembler
from dspex.clients.canonical.stream_chunk import StreamChunk
from dspex.clients.http.sse import EventDecoder
from dspex.clients.http.transport import OpenResponse, RawResponse, StreamingTransport
from dspex.clients.wires.wire import ForeignStream
from dspex.errors import LMError, LMTransportError, LMUnexpectedError
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.clients.calls.call import LMCall

_DRAIN_SECONDS = 0.5

_DELTA: dict[str, Any] = dict.fromkeys(("content", "role", "reasoning_content", "tool_calls", "function_call"))
_SUBSTANCE = ("content", "reasoning_content", "tool_calls", "function_call", "provider_specific_fields")


class AnswerStream:
    """Where the chunks of one call go: ``settings.send_stream``, under the name of the predictor that called.

    Chunks without substance (a role, an empty text) wait for one that has some, so that a call which fails before any
    is passed on can be tried again. `begun` says that there was one.

    Args:
        stream: ``settings.send_stream``, with an asynchronous `send` for chunks.
        predictor: The predictor that called, whose `id` each chunk gets. None for an LM called directly.
    """

    def __init__(self, stream: Any, predictor: Any) -> None:
        self.begun = False
        self._stream = stream
        self._predict_id = id(predictor) if predictor is not None else None
        self._waiting: list[Any] = []

    async def send(self, chunk: Any, substance: bool) -> None:
        """Pass a chunk on, or let it wait for one with substance.

        Args:
            chunk: An object in the shape of litellm's and the SDKs' chunks.
            substance: Whether a reader would see anything of it.
        """
        if self._predict_id is not None:
            chunk.predict_id = self._predict_id
        self._waiting.append(chunk)
        if not self.begun and not substance:
            return
        self.begun = True
        stream_emitted()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            await self._stream.send(one)

    def restart(self) -> None:
        """Forget the chunks of a try that failed before any was passed on."""
        self._waiting = []

    def end(self) -> None:
        """Tell the receiver that no more chunks of this answer will come."""
        ended = getattr(self._stream, "answer_ended", None)
        if ended is not None and self.begun:
            ended(self._predict_id)


def current_answer_stream() -> AnswerStream | None:
    """Return where the chunks of an LM's answer go; None if nobody streams."""
    stream = settings.send_stream
    return None if stream is None else AnswerStream(stream, settings.caller_predict)


def streaming_sender(
    stream: AnswerStream, send: Callable[[LMCall, AnswerStream], Awaitable[tuple[bytes, Any]]]
) -> Callable[[LMCall], Awaitable[tuple[bytes, Any]]]:
    """Make `send` the sender of a call (`LMCall.sender`).

    A failure after a chunk was passed on is final: what the user has seen cannot be taken back and retried.

    Args:
        stream: Where the chunks of the answer go. Each try starts it anew.
        send: Makes one try, and passes its chunks on.

    Returns:
        A function that sends a call, and returns the answer as recorded and decoded. It raises what `send` raises.
    """

    async def sender(call: LMCall) -> tuple[bytes, Any]:
        stream.restart()
        try:
            return await send(call, stream)
        except LMError as error:
            error.final = stream.begun
            raise
        finally:
            stream.end()

    return sender


async def send_streamed(call: LMCall, stream: AnswerStream) -> tuple[bytes, Answer]:
    """Send `call` and pass its answer on as it comes.

    Args:
        call: The request.
        stream: Where the chunks go.

    Returns:
        The whole answer, as it is recorded and decoded.

    Raises:
        LMError: as for a call that is not streamed. An answer that is cut off is an `LMTransportError`.
    """
    transport = call.transport
    body = call.wire.streamed(call.body)
    url = call.wire.stream_url(call.url) if isinstance(call.wire, ForeignStream) else call.url
    if not isinstance(transport, StreamingTransport):
        whole = await transport.post(url, call.headers, body, call.timeout)
        return await _receive(call, stream, OpenResponse(whole.status, whole.headers, _at_once(whole.body)))
    async with transport.stream(url, call.headers, body, call.timeout) as response:
        return await _receive(call, stream, response)


async def _receive(call: LMCall, stream: AnswerStream, response: OpenResponse) -> tuple[bytes, Answer]:
    streamed = (response.headers.get("Content-Type") or "text/event-stream").startswith("text/event-stream")
    if response.status not in (200, 201) or not streamed:
        body = b"".join([piece async for piece in response.pieces])
        if response.status not in (200, 201):
            raise call.wire.error(RawResponse(response.status, response.headers, body))
        return body, call.wire.decode(body)  # a server that does not stream
    assembly = StreamAssembler()
    reader = call.wire.event_reader() if isinstance(call.wire, ForeignStream) else _Chunks()
    done = False
    async for data in _events(response.pieces):
        if data == b"[DONE]":
            done = True
            await _drain(response.pieces)
            break
        for chunk in reader.read(_event(call, data)):
            assembly.add(with_usual_keys(chunk))
            if chunk.get("choices"):
                await stream.send(StreamChunk(chunk), has_substance(chunk))
    whole = reader.whole()
    if whole is None and not (done or assembly.is_finished()):
        raise LMTransportError(f"{call.url}: the stream ended before the answer did")
    body = orjson.dumps(whole or assembly.completion())
    return body, call.wire.decode(body)


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end, so that the connection can be used again; but do not wait for a server that does not end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    decoder = EventDecoder()
    async for piece in pieces:
        for data in decoder.feed(piece):
            yield data
    for data in decoder.rest():
        yield data


class _Chunks:
    """The events of OpenAI's chat completions are chunks themselves."""

    def read(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        return [event]

    def whole(self) -> None:
        """None: the answer comes in pieces only."""


def _event(call: LMCall, data: bytes) -> dict[str, Any]:
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LMUnexpectedError(f"A chunk of the answer is not JSON ({error}): {data[:200]!r}") from None
    if not isinstance(chunk, dict):
        raise LMUnexpectedError(f"A chunk of the answer is no object: {data[:200]!r}")
    if chunk.get("error"):
        call.wire.decode(data)  # raises what it means
    return chunk


def with_usual_keys(chunk: dict[str, Any]) -> dict[str, Any]:
    """Give each delta of `chunk` the keys that readers look for, None where it lacks them, and return the chunk."""
    for choice in chunk.get("choices") or ():
        if "delta" in choice:
            delta = choice["delta"] or {}
            choice["delta"] = {**_DELTA, **delta}
            if "reasoning" in delta and not delta.get("reasoning_content"):  # vLLM's and OpenRouter's name for it
                choice["delta"]["reasoning_content"] = delta["reasoning"]
        elif "text" in choice:
            choice["delta"] = {**_DELTA, "content": choice["text"]}
    return chunk


def has_substance(chunk: dict[str, Any]) -> bool:
    """Tell whether a reader would see anything of the chunk."""
    return any(choice["delta"].get(name) for choice in chunk["choices"] for name in _SUBSTANCE)


async def _at_once(body: bytes) -> AsyncIterator[bytes]:
    yield body
