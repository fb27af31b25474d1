"""`streamify`: a program as a stream of what it has so far."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from inspect import iscoroutinefunction
from typing import Any

from dspex.clients.calls.abandonment import abandonable
from dspex.primitives.asyncify import asyncify
from dspex.primitives.prediction import Prediction
from dspex.settings import context, settings
from dspex.streaming.channel import AnswerEnded, Channel, FinalResult
from dspex.streaming.chunks import is_chunk
from dspex.streaming.messages import LaterStatus, StatusMessageProvider, StatusStreamingCallback
from dspex.streaming.responses import streaming_response
from dspex.streaming.streaming_listener import StreamListener, find_predictor_for_stream_listeners
from dspex.streaming.synchronous import apply_sync_streaming

__all__ = ["apply_sync_streaming", "streamify", "streaming_response"]


def streamify(
    program: Any,
    status_message_provider: StatusMessageProvider | None = None,
    stream_listeners: Sequence[StreamListener] | None = None,
    include_final_prediction_in_output_stream: bool = True,
    is_async_program: bool = False,
    async_streaming: bool = True,
) -> Callable[..., Any]:
    """Make a function with the arguments of `program` that returns an asynchronous generator.

    It yields `StreamResponse`s of the fields listened to (or, without listeners, the LMs' own chunks), status messages,
    whatever the program itself sends to ``settings.send_stream``, and last what the program returns. An answer found in
    the ledger is not streamed. What the program raises is raised to the reader, after what came before it. When the
    reader stops early the program is cancelled, or, where a thread runs it, asks no LM any more; a call that is being
    answered is still finished and recorded, unless it is one that is not recorded.

    Every call of the function is a run of its own: concurrent runs share no listener's state.

    Args:
        program: A module, a function or a coroutine function.
        status_message_provider: Says what the program is doing; by default only of tools.
        stream_listeners: The output fields to hear.
        include_final_prediction_in_output_stream: If False, and there are listeners, what the program returns is left
            out, unless nothing was streamed of it.
        is_async_program: Call `program.acall`. Otherwise a module runs in a thread of its own (see `asyncify`).
        async_streaming: If False, the function returns a plain generator.

    Raises:
        UsageError: a listener's field is that of no predictor, or of several (a ValueError).

    Source: DSPy's function of this name.
    """
    listeners = list(stream_listeners or ())
    if listeners:
        find_predictor_for_stream_listeners(program, listeners)
    run = program.acall if is_async_program else program if iscoroutinefunction(program) else asyncify(program)
    configured = [one for one in settings.callbacks or () if isinstance(one, StatusStreamingCallback)]
    speakers = configured or [StatusStreamingCallback(status_message_provider)]

    async def stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        own = [listener.fresh() for listener in listeners]
        reading = _Reading(own, include_final_prediction_in_output_stream)
        channel, abandoned = Channel(), threading.Event()
        others = [one for one in settings.callbacks or () if not isinstance(one, StatusStreamingCallback)]
        overrides = {"send_stream": channel, "callbacks": [*others, *speakers], "stream_listeners": own}
        running = asyncio.ensure_future(_produce(channel, abandoned, overrides, lambda: run(*args, **kwargs)))
        try:
            async for item in channel:
                if isinstance(item, LaterStatus):
                    item = await item.arrive()
                for value in reading.values(item):
                    yield value
        finally:
            abandoned.set()
            channel.close()
            running.cancel()

    if async_streaming:
        return stream
    return lambda *args, **kwargs: apply_sync_streaming(stream(*args, **kwargs))


async def _produce(
    channel: Channel, abandoned: threading.Event, overrides: dict[str, Any], run: Callable[[], Any]
) -> None:
    """Run the program, and send what it returns or raises."""
    try:
        with context(**overrides), abandonable(abandoned):
            result = await run()
    except BaseException as error:
        channel.end(error)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
    else:
        channel.send_nowait(FinalResult(result))
        channel.end()


class _Reading:
    """What the reader of one run gets for each thing that was sent."""

    def __init__(self, listeners: list[StreamListener], with_result: bool) -> None:
        self._listeners = listeners
        self._with_result = with_result

    def values(self, item: Any) -> Iterator[Any]:
        if isinstance(item, FinalResult):
            yield from self._result(item.value)
        elif isinstance(item, AnswerEnded):
            yield from _heard(one.answer_ended() for one in self._listening_to(item.predict_id))
        elif self._listeners and is_chunk(item):
            predict_id = getattr(item, "predict_id", None)
            yield from _heard(one.receive(item) for one in self._listening_to(predict_id))
        elif item is not None:
            yield item

    def _listening_to(self, predict_id: int | None) -> Iterator[StreamListener]:
        return (listener for listener in self._listeners if id(listener.predict) == predict_id)

    def _result(self, value: Any) -> Iterator[Any]:
        listeners = self._listeners
        yield from _heard(listener.finalize() for listener in listeners)
        streamed = any(listener.stream_start for listener in listeners) and not any(one.cache_hit for one in listeners)
        if self._with_result or not streamed or not isinstance(value, Prediction):
            yield value


def _heard(responses: Iterator[Any]) -> Iterator[Any]:
    return (response for response in responses if response is not None)
