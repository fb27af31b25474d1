"""Batches for programs that cannot wait for a day where they are: they are run as far as they come, and again later.

A program that is run again is answered from the ledger up to where it was. So it needs no memory of its own, and no
worker is held while the provider works.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.bridge import held
from dspex.clients.batch.requests import Collected
from dspex.clients.calls.pipeline import FinishedCall

if TYPE_CHECKING:
    from dspex.clients.calls.pipeline import LMCall
    from dspex.clients.calls.scope import CallScope

R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Row:
    """One program. `waiting` of its calls are written down, and are not answered here."""

    waiting: int = 0


_row: ContextVar[_Row | None] = ContextVar("dspex_batch_row", default=None)


class Suspension:
    """Runs programs until each is done or waits for a batch.

    `settle_seconds` is how long to go on when all wait, for programs that call several times at once. `ordinary` has
    all calls made as usual instead. `suspended` programs are waiting in the end; `own` calls were answered by what
    this run has paid for.
    """

    def __init__(self, collected: Collected, *, settle_seconds: float, ordinary: bool = False) -> None:
        self._collected = collected
        self._settle_seconds = settle_seconds
        self._ordinary = ordinary
        self._waiting: set[asyncio.Future[None]] = set()
        self._moved = asyncio.Event()
        self._over = False
        self.suspended = 0
        self.own = 0

    async def answer(self, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """See `dspex.clients.calls.batch_collector.BatchCollector`."""
        if self._over:
            raise asyncio.CancelledError
        if self._ordinary:
            return None
        standing = await self._collected.ask(call, scope)
        if isinstance(standing, FinishedCall):
            self.own += scope is not None and standing.entry.run_id == scope.run_id
            return standing
        if self._collected.has_had_enough(standing):
            return None
        await self._wait()
        raise AssertionError("nobody is answered before it is cancelled")

    async def run(self, jobs: Iterable[Callable[[], Coroutine[Any, Any, R]]]) -> AsyncGenerator[R, None]:
        """Run `jobs` all at once, and yield the results of those that get done, as they do.

        Those that wait in the end are cancelled, as are all when the consumer stops (use `contextlib.aclosing`).
        """
        running: dict[asyncio.Task[tuple[R | None, BaseException | None]], _Row] = {}
        for job in jobs:
            row = _Row()
            task = asyncio.create_task(held(_in_row(row, job)))
            task.add_done_callback(lambda _: self._moved.set())
            running[task] = row
        try:
            while running:
                for task in [task for task in running if task.done()]:
                    del running[task]
                    result, stop = task.result()
                    if stop is not None:
                        raise stop
                    yield result  # type: ignore[misc]  # what the job gave: it was not stopped
                if await self._come_to_rest(running.values()) and not any(task.done() for task in running):
                    break
        finally:
            self.suspended = len(running)
            await self._end(running)

    async def _come_to_rest(self, rows: Iterable[_Row]) -> bool:
        """Wait until something moves; or, when all wait, until nothing has for a while: True."""
        all_wait = all(row.waiting for row in rows)
        try:
            async with asyncio.timeout(self._settle_seconds if all_wait else None):
                await self._moved.wait()
        except TimeoutError:
            return True
        self._moved.clear()
        return False

    async def _wait(self) -> None:
        row = _row.get()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(place)
        if row is not None:
            row.waiting += 1
        self._moved.set()
        try:
            await place
        finally:
            self._waiting.discard(place)
            if row is not None:
                row.waiting -= 1
            self._moved.set()

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Let go of all that wait, also of threads of the user's that wait through us."""
        self._over = True
        for place in list(self._waiting):
            place.cancel()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _in_row(row: _Row, job: Callable[[], Coroutine[Any, Any, R]]) -> R:
    _row.set(row)
    return await job()
