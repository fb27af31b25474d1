"""`Unbatchify`: a function of batches, called with one item at a time from many places at once."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from dspex.bridge import in_sync_code, wait_for

_Waiting = tuple[Any, "Future[Any]"]


class Unbatchify:
    """Gathers items that are asked for at the same time, and gives each caller the output for its own.

    Args:
        batch_fn: Takes a list of items and returns as many outputs, in the same order. It runs in a thread of its own.
        max_batch_size: The most items it is given at once.
        max_wait_time: The seconds that the first item of a batch waits for others.
    """

    def __init__(
        self, batch_fn: Callable[[list[Any]], Sequence[Any]], max_batch_size: int = 32, max_wait_time: float = 0.1
    ) -> None:
        self.batch_fn = batch_fn
        self.max_batch_size = max_batch_size
        self.max_wait_time = max_wait_time
        self.input_queue: queue.Queue[_Waiting | None] = queue.Queue()
        self.stop_event = threading.Event()
        work = (self.input_queue, batch_fn, max_batch_size, max_wait_time)  # not self, which could never be collected
        self.worker_thread = threading.Thread(target=_work, args=work, name="dspex-unbatchify", daemon=True)
        self.worker_thread.start()

    def __call__(self, input_item: Any) -> Any:
        """The output for `input_item`.

        Raises:
            RuntimeError: this is closed.
            Exception: what `batch_fn` raised, for every item of its batch.
        """
        if self.stop_event.is_set():
            raise RuntimeError("Unbatchify is closed")
        future: Future[Any] = Future()
        self.input_queue.put((input_item, future))
        return wait_for(_awaited(future)) if in_sync_code() else future.result()

    def close(self) -> None:
        """Finish what has been asked, and stop."""
        if not self.stop_event.is_set():
            self.stop_event.set()
            self.input_queue.put(None)
            if threading.current_thread() is not self.worker_thread:
                self.worker_thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if "worker_thread" in vars(self):
            self.stop_event.set()
            self.input_queue.put(None)


async def _awaited(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


def _work(
    waiting: queue.Queue[_Waiting | None],
    batch_fn: Callable[[list[Any]], Sequence[Any]],
    most: int,
    patience: float,
) -> None:
    """Take batches and answer them until `close`."""
    while True:
        batch, stop = _next_batch(waiting, most, patience)
        if batch:
            _answer(batch, batch_fn)
        if stop:
            break
    for _, future in _left(waiting):
        future.set_exception(RuntimeError("Unbatchify is closed"))


def _next_batch(waiting: queue.Queue[_Waiting | None], most: int, patience: float) -> tuple[list[_Waiting], bool]:
    """What comes within `patience` of the first item, and whether it is the last batch."""
    batch: list[_Waiting] = []
    deadline: float | None = None
    while len(batch) < most:
        try:
            one = waiting.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            return batch, False
        if one is None:
            return batch, True
        batch.append(one)
        deadline = deadline or time.monotonic() + patience
    return batch, False


def _answer(batch: list[_Waiting], batch_fn: Callable[[list[Any]], Sequence[Any]]) -> None:
    try:
        outputs = list(batch_fn([item for item, _ in batch]))
        if len(outputs) != len(batch):
            raise ValueError(f"The batch function gave {len(outputs)} outputs for {len(batch)} items")
    except Exception as error:  # noqa: BLE001 - handed on to those who asked
        for _, future in batch:
            future.set_exception(error)
        return
    for (_, future), output in zip(batch, outputs, strict=True):
        future.set_result(output)


def _left(waiting: queue.Queue[_Waiting | None]) -> Iterator[_Waiting]:
    while True:
        try:
            one = waiting.get_nowait()
        except queue.Empty:
            return
        if one is not None:
            yield one
