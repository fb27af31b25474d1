"""Many small requests from any event loop, processed by one thread a batch at a time.

A request waits a millisecond for others, the whole batch takes a few statements, and each event loop is woken once for
all of its answers. So a ledger lookup costs microseconds where a transaction of its own would cost a hundred.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from dspex.errors import StoreError

WINDOW_S = 0.001
"""How long a batch waits for more requests, once requests come together at all."""
MAX_BATCH = 512
CLOSE_S = 10.0


class QueuedRequest:
    """A request to the store; the thread sets its `answer` or its `error`.

    Args:
        kind: What is asked for; `Work` defines the kinds.
        payload: Its argument.
        loop: The event loop that waits for the answer; None if none does.
        future: What waits there.
    """

    __slots__ = ("answer", "error", "future", "kind", "loop", "payload")

    def __init__(
        self, kind: str, payload: Any, loop: asyncio.AbstractEventLoop | None, future: asyncio.Future[Any] | None
    ) -> None:
        self.kind = kind
        self.payload = payload
        self.loop = loop
        self.future = future
        self.answer: Any = None
        self.error: BaseException | None = None


class Work(Protocol):
    """What the thread does. All methods are called on that thread, one at a time."""

    def process(self, batch: Sequence[QueuedRequest]) -> None:
        """Set the `answer` or `error` of every request. The batch is empty when `due_in` has run out without one."""

    def due_in(self) -> float | None:
        """Seconds until `process` must run even without a request; None if it need not."""

    def compensate(self, requests: Sequence[QueuedRequest]) -> Sequence[QueuedRequest]:
        """Return the requests that undo `requests`, whose waiters were cancelled or whose event loops are closed."""

    def finish(self) -> None:
        """Clean up before the thread ends."""


class _Delivery:
    """The answers on their way to one event loop."""

    __slots__ = ("loop", "requests")

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: list[QueuedRequest]) -> None:
        self.loop = loop
        self.requests = requests


class RequestBatcher:
    """The queue and its thread, which the first request starts.

    Args:
        name: The thread's name.
        work: What the thread does.
    """

    def __init__(self, name: str, work: Work) -> None:
        self._name = name
        self._work = work
        self.forget()

    def forget(self) -> None:
        """Start empty: at first, and in a forked child, where the thread is gone."""
        self._queue: deque[QueuedRequest] = deque()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._deliveries: set[_Delivery] = set()

    async def ask(self, kind: str, payload: Any) -> Any:
        """Queue a request and await its answer. If the caller is cancelled, `Work.compensate` undoes it.

        Args:
            kind: What is asked for; `Work` defines the kinds.
            payload: Its argument.

        Returns:
            What `Work.process` answered.

        Raises:
            StoreError: the store failed, or is closed.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        request = QueuedRequest(kind, payload, loop, future)
        self._put(request)
        try:
            return await future
        except BaseException:
            # The answer came, and the waiter was cancelled before it could run on.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._abandon([request])
            raise

    def close(self) -> None:
        """Process what is queued, then end the thread. Blocks until it has ended, for ten seconds at most."""
        with self._lock:
            self._closing = True
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_S)

    def _put(self, request: QueuedRequest) -> None:
        if self._thread is None or self._closing:
            self._start()
        self._queue.append(request)
        if not self._wake.is_set():
            self._wake.set()

    def _start(self) -> None:
        with self._lock:
            if self._closing:
                raise StoreError("The store is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        together = False
        while True:
            self._wake.wait(self._work.due_in())
            if together and len(self._queue) < MAX_BATCH and not self._closing:
                time.sleep(WINDOW_S)
            self._wake.clear()
            batch = self._take()
            # A single caller would only be slowed down by waiting for other requests.
            together = len(batch) > 1
            self._process(batch)
            if self._queue:
                self._wake.set()
            elif self._closing:
                break
        self._work.finish()
        self._refuse(self._take())

    def _take(self) -> list[QueuedRequest]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]

    def _process(self, batch: list[QueuedRequest]) -> None:
        try:
            self._work.process(batch)
        except BaseException as error:  # noqa: BLE001 - it is raised where each answer is awaited
            for request in batch:
                request.error = request.error or error
        self._deliver(batch)
        for delivery in [d for d in tuple(self._deliveries) if d.loop.is_closed()]:
            self._lost(delivery)

    def _refuse(self, batch: list[QueuedRequest]) -> None:
        for request in batch:
            request.error = StoreError("The store was closed.")
        self._deliver(batch)

    def _deliver(self, batch: list[QueuedRequest]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[QueuedRequest]] = {}
        for request in batch:
            if request.loop is not None:
                by_loop.setdefault(request.loop, []).append(request)
        for loop, requests in by_loop.items():
            delivery = _Delivery(loop, requests)
            self._deliveries.add(delivery)
            try:
                loop.call_soon_threadsafe(self._set_results, delivery)
            except RuntimeError:  # the loop is closed
                self._lost(delivery)

    def _set_results(self, delivery: _Delivery) -> None:
        """On the event loop: hand out the answers."""
        self._deliveries.discard(delivery)
        cancelled: list[QueuedRequest] = []
        for request in delivery.requests:
            future = request.future
            assert future is not None
            if future.done():
                cancelled.append(request)
            elif request.error is None:
                future.set_result(request.answer)
            else:
                future.set_exception(_own_copy(request.error))
        if cancelled:
            self._abandon(cancelled)

    def _lost(self, delivery: _Delivery) -> None:
        if delivery in self._deliveries:
            self._deliveries.discard(delivery)
            self._abandon(delivery.requests)

    def _abandon(self, requests: Sequence[QueuedRequest]) -> None:
        if self._closing:
            return
        for request in self._work.compensate(requests):
            self._put(request)


def _own_copy(error: BaseException) -> BaseException:
    """Each waiter raises an exception of its own: a shared one would collect the tracebacks of all."""
    if isinstance(error, StoreError):
        copy = type(error)(*error.args)
        copy.__cause__ = error.__cause__
        return copy
    return error
