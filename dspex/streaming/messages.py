"""What a streamed program sends besides the LM's own chunks: pieces of fields, and messages on what it is doing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dspex.bridge import in_sync_code, wait_for
from dspex.callback import BaseCallback
from dspex.settings import settings
from dspex.streaming.channel import Channel


@dataclass
class StreamResponse:
    """A piece of an output field, as it comes.

    Args:
        predict_name: The path of the predictor that is being answered.
        signature_field_name: The output field.
        chunk: Text, or a value of a streamable type.
        is_last_chunk: Whether the field is complete with this piece.
    """

    predict_name: str | None
    signature_field_name: str
    chunk: Any
    is_last_chunk: bool


@dataclass
class StatusMessage:
    """What the program is doing just now, in words for its user."""

    message: str


class StatusMessageProvider:
    """Words a message about what a program is doing. Override the messages that you want; None or an empty string sends
    none.

    A method may be ``async``. By default only tools have messages. The start methods receive the tool, module or LM
    (`instance`) and its arguments by name (`inputs`), the end methods what it returned (`outputs`).

    Source: DSPy's class of this name.
    """

    def tool_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> Any:
        """Word the message sent before a tool is called."""
        return f"Calling tool {instance.name}..."

    def tool_end_status_message(self, outputs: Any) -> Any:
        """Word the message sent after a tool has returned."""
        return "Tool calling finished! Querying the LLM with tool calling results..."

    def module_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> Any:
        """Word the message sent before a module, or a predictor, is called."""

    def module_end_status_message(self, outputs: Any) -> Any:
        """Word the message sent after a module, or a predictor, has returned."""

    def lm_start_status_message(self, instance: Any, inputs: dict[str, Any]) -> Any:
        """Word the message sent before an LM is asked."""

    def lm_end_status_message(self, outputs: Any) -> Any:
        """Word the message sent after an LM has answered."""


@dataclass(frozen=True, slots=True)
class LaterStatus:
    """A status message of an ``async`` provider, for the reader's side to wait for."""

    message: Any

    async def arrive(self) -> StatusMessage | None:
        """Wait for the message; None where there is nothing to say."""
        text = await self.message
        return StatusMessage(text) if text else None


class StatusStreamingCallback(BaseCallback):
    """Sends a provider's messages into the stream of the program that runs."""

    def __init__(self, status_message_provider: StatusMessageProvider | None = None) -> None:
        self.status_message_provider = status_message_provider or StatusMessageProvider()

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if instance.name != "finish":
            self._say(self.status_message_provider.tool_start_status_message, instance, inputs)

    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        if not (isinstance(outputs, str) and outputs == "Completed."):
            self._say(self.status_message_provider.tool_end_status_message, outputs)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self._say(self.status_message_provider.lm_start_status_message, instance, inputs)

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._say(self.status_message_provider.lm_end_status_message, outputs)

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self._say(self.status_message_provider.module_start_status_message, instance, inputs)

    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self._say(self.status_message_provider.module_end_status_message, outputs)

    def _say(self, message: Callable[..., Any], *about: Any) -> None:
        stream = settings.send_stream
        if stream is None:
            return
        text = message(*about)
        if inspect.isawaitable(text):
            sync_send_to_stream(stream, LaterStatus(text))
        elif text:
            sync_send_to_stream(stream, StatusMessage(text))


def sync_send_to_stream(stream: Any, message: Any) -> Any:
    """Send a message into a stream from synchronous code, wherever that runs.

    Args:
        stream: ``settings.send_stream``, or any object with an asynchronous ``send``, such as an anyio stream, whose
            ``send`` runs on the event loop that the calling worker thread belongs to, if it belongs to one.
        message: What to send.
    """
    if isinstance(stream, Channel):
        return stream.send_nowait(message)
    import anyio.from_thread

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return anyio.from_thread.run(stream.send, message)
    if in_sync_code():
        return wait_for(stream.send(message))
    done = _Outcome(stream.send(message))
    thread = threading.Thread(target=done.run)  # an event loop has no other way to finish a coroutine here and now
    thread.start()
    thread.join()
    return done.result()


class _Outcome:
    """A coroutine run to its end in a thread and an event loop of its own: for streams that offer nothing better."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine
        self._value: Any = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            self._value = loop.run_until_complete(self._coroutine)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._failure = error
        finally:
            loop.close()

    def result(self) -> Any:
        if self._failure is not None:
            raise self._failure
        return self._value
