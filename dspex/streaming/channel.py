"""A queue from a program to the reader of its stream: any thread and any event loop may send, and any may read."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The answer that the predictor with this `id` was being given is complete (or was broken off)."""

    predict_id: int | None


@dataclass(frozen=True, slots=True)
class FinalResult:
    """What the program returned."""

    value: Any


class Channel:
    """A queue without a bound: a program never waits for its reader, and so cannot be brought to a standstill by one.

    It is what ``settings.send_stream`` holds inside a streamed program; the user's code may `send` there too.
    """

    def __init__(self) -> None:
        self.closed = False
        """Whether the reader has gone: what is sent is dropped."""
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._reader: Future[None] | None = None
        self._ended = False
        self._failure: BaseException | None = None

    async def send(self, item: Any) -> None:
        """Send, and let the reader have its turn."""
        self.send_nowait(item)
        await asyncio.sleep(0)

    def send_nowait(self, item: Any) -> None:
        """Send, from wherever this is."""
        with self._lock:
            if self.closed:
                return
            self._items.append(item)
        self._wake()

    def answer_ended(self, predict_id: int | None) -> None:
        """Note that an LM's answer, which was coming in for that predictor, is complete or broken off."""
        self.send_nowait(AnswerEnded(predict_id))

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more will come; the reader meets `failure` after what was sent before it."""
        self._ended, self._failure = True, failure
        self._wake()

    def close(self) -> None:
        """The reader has gone."""
        with self._lock:
            self.closed = True
            self._items.clear()

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> Any:
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                if self._ended:
                    break
                waiting: Future[None] = Future()
                self._reader = waiting
            await asyncio.wrap_future(waiting)
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    def _wake(self) -> None:
        with self._lock:
            waiting, self._reader = self._reader, None
        if waiting is not None and waiting.set_running_or_notify_cancel():
            waiting.set_result(None)
