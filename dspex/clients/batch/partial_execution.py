"""`PartialExecution`: runs programs as far as they come without an answer from a batch; they are run again later.

A program that is run again gets its earlier answers from the ledger, and so comes to where it was. It needs no memory
of its own, and no worker is held while the provider works.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.bridge import held
from dspex.clients.calls.call import FinishedCall

if TYPE_CHECKING:
    from dspex.clients.batch.requests import BatchRequests
    from dspex.clients.calls.call import LMCall
    from dspex.clients.calls.scope import CallScope

R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Execution:
    """One program that runs. `blocked` of its calls are written down for a batch, and are not answered here."""

    blocked: int = 0


_execution: ContextVar[_Execution | None] = ContextVar("dspex_batch_execution", default=None)


class PartialExecution:
    """Runs programs until each is done or waits for a batch. Collects their calls: see `BatchCollector`.

    Args:
        requests: Where the calls are written down.
        settle_seconds: How long to go on when all programs wait, for those that make several calls at once.
        ordinary: Make all calls as ordinary ones instead.

    Attributes:
        suspended: Programs that waited for a batch at the end.
        own: Calls answered by what this run has paid for.
    """

    def __init__(self, requests: BatchRequests, *, settle_seconds: float, ordinary: bool = False) -> None:
        self._requests = requests
        self._settle_seconds = settle_seconds
        self._ordinary = ordinary
        self._blocked: set[asyncio.Future[None]] = set()
        self._moved = asyncio.Event()
        self._ended = False
        self.suspended = 0
        self.own = 0

    async def answer(self, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """Answer the call from the ledger. A call that a batch must answer never returns: it blocks its program.

        Args:
            call: The request.
            scope: Where in a run the call belongs. None outside of runs.

        Returns:
            The answer; None if the call is to be made as an ordinary one.

        Raises:
            LMError: the call cannot be made through a batch, or the provider has refused it.
            asyncio.CancelledError: the execution has ended.
        """
        if self._ended:
            raise asyncio.CancelledError
        if self._ordinary:
            return None
        found = await self._requests.ask(call, scope)
        if isinstance(found, FinishedCall):
            self.own += scope is not None and found.entry.run_id == scope.run_id
            return found
        if self._requests.is_exhausted(found):
            return None
        await self._block()
        raise AssertionError("a blocked call is cancelled, never answered")

    async def run(self, jobs: Iterable[Callable[[], Coroutine[Any, Any, R]]]) -> AsyncGenerator[R, None]:
        """Run jobs all at once, and yield the results of those that finish, in the order in which they do.

        The others are cancelled, as are all when the consumer stops (use `contextlib.aclosing`).

        Args:
            jobs: Functions that start a program each.

        Raises:
            BaseException: whatever stops a job, such as a job's own exception.
        """
        running: dict[asyncio.Task[tuple[R | None, BaseException | None]], _Execution] = {}
        for job in jobs:
            execution = _Execution()
            task = asyncio.create_task(held(_run_as(execution, job)))
            task.add_done_callback(lambda _: self._moved.set())
            running[task] = execution
        try:
            while running:
                for task in [task for task in running if task.done()]:
                    del running[task]
                    result, stop = task.result()
                    if stop is not None:
                        raise stop
                    yield result  # type: ignore[misc]  # what the job gave: it was not stopped
                if await self._all_blocked(running.values()) and not any(task.done() for task in running):
                    break
        finally:
            self.suspended = len(running)
            await self._end(running)

    async def _all_blocked(self, executions: Iterable[_Execution]) -> bool:
        """Wait until something moves: False. Or, when all are blocked, until nothing has for a while: True."""
        blocked = all(execution.blocked for execution in executions)
        try:
            async with asyncio.timeout(self._settle_seconds if blocked else None):
                await self._moved.wait()
        except TimeoutError:
            return True
        self._moved.clear()
        return False

    async def _block(self) -> None:
        execution = _execution.get()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._blocked.add(future)
        if execution is not None:
            execution.blocked += 1
        self._moved.set()
        try:
            await future
        finally:
            self._blocked.discard(future)
            if execution is not None:
                execution.blocked -= 1
            self._moved.set()

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Cancel all that is blocked, also in threads that the user's code started."""
        self._ended = True
        for future in list(self._blocked):
            future.cancel()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _run_as(execution: _Execution, job: Callable[[], Coroutine[Any, Any, R]]) -> R:
    _execution.set(execution)
    return await job()
