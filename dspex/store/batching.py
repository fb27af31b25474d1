"""Many small requests from any event loop, done by one thread a batch at a time.

A request waits a millisecond for company, the whole batch is done in a few statements, and each event loop is woken
once for all of its answers. So a ledger lookup costs microseconds where a transaction of its own would cost a hundred.
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
    """One thing asked of the store: `kind` and `what` in, `answer` or `error` out."""

    __slots__ = ("answer", "error", "future", "kind", "loop", "what")

    def __init__(
        self, kind: str, what: Any, loop: asyncio.AbstractEventLoop | None, future: asyncio.Future[Any] | None
    ) -> None:
        self.kind = kind
        self.what = what
        self.loop = loop
        self.future = future
        self.answer: Any = None
        self.error: BaseException | None = None


class Work(Protocol):
    """What the thread does. All methods are called on that thread, one at a time."""

    def do(self, batch: Sequence[QueuedRequest]) -> None:
        """Answer every request of the batch, which is empty when only `due_in` has run out."""

    def due_in(self) -> float | None:
        """Seconds until there is something to do even without a request; None if there is not."""

    def undelivered(self, requests: Sequence[QueuedRequest]) -> Sequence[QueuedRequest]:
        """What to do about answers that nobody waits for any more (the waiter was cancelled, its loop is closed)."""

    def finish(self) -> None:
        """The last thing done before the thread ends."""


class _Delivery:
    """The answers on their way to one event loop."""

    __slots__ = ("loop", "requests")

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: list[QueuedRequest]) -> None:
        self.loop = loop
        self.requests = requests


class RequestBatcher:
    """The queue and its thread, which is started by the first request."""

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

    async def ask(self, kind: str, what: Any) -> Any:
        """Have the thread do it, and await the answer. A waiter that is cancelled leaves it `undelivered`."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        request = QueuedRequest(kind, what, loop, future)
        self._put(request)
        try:
            return await future
        except BaseException:
            # The answer came, and the waiter was cancelled before it could run on.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._abandon([request])
            raise

    def tell(self, kind: str, what: Any) -> None:
        """Have the thread do it; nobody waits."""
        self._put(QueuedRequest(kind, what, None, None))

    def close(self) -> None:
        """Do what is queued, then end the thread. Blocks until it has ended, but not on a database that hangs."""
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
            # One caller after another would only be slowed down by waiting for company that never comes.
            together = len(batch) > 1
            self._do(batch)
            if self._queue:
                self._wake.set()
            elif self._closing:
                break
        self._work.finish()
        self._refuse(self._take())

    def _take(self) -> list[QueuedRequest]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]

    def _do(self, batch: list[QueuedRequest]) -> None:
        try:
            self._work.do(batch)
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
                loop.call_soon_threadsafe(self._arrive, delivery)
            except RuntimeError:  # the loop is closed
                self._lost(delivery)

    def _arrive(self, delivery: _Delivery) -> None:
        """On the event loop: hand out the answers."""
        self._deliveries.discard(delivery)
        nobody: list[QueuedRequest] = []
        for request in delivery.requests:
            future = request.future
            assert future is not None
            if future.done():
                nobody.append(request)
            elif request.error is None:
                future.set_result(request.answer)
            else:
                future.set_exception(_own_copy(request.error))
        if nobody:
            self._abandon(nobody)

    def _lost(self, delivery: _Delivery) -> None:
        if delivery in self._deliveries:
            self._deliveries.discard(delivery)
            self._abandon(delivery.requests)

    def _abandon(self, requests: Sequence[QueuedRequest]) -> None:
        if self._closing:
            return
        for request in self._work.undelivered(requests):
            self._put(request)


def _own_copy(error: BaseException) -> BaseException:
    """Each waiter raises an exception of its own: a shared one would collect the tracebacks of all."""
    if isinstance(error, StoreError):
        copy = type(error)(*error.args)
        copy.__cause__ = error.__cause__
        return copy
    return error
