"""The worker processes, and who sits on them.

There are as many as this machine has CPUs, and a session needs one only while its code computes. Between two executions
it is bytes. While it waits for a host function (an LM call of seconds, another sandboxed program) it is *parked*: it
keeps its worker as long as nobody else needs it, and is otherwise put away as bytes and brought back afterwards. So
thousands of sessions may wait at once, and sandboxed code may call on sandboxed code to any depth, with few processes.

Monty's blocking interface is driven by threads, one a process, rather than its asynchronous one: that one's own threads
may meet the end of the Python process halfway and abort it (seen in 4 of about 24 short scripts).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontySession

T = TypeVar("T")

_SESSIONS_A_PROCESS = 500
"""A process is replaced after so many, which gives back what memory it holds."""


class NoWorkerError(OSError):
    """No worker process can be had; the message says why."""


class Seat:
    """One session's place on a worker."""

    def __init__(self, session: MontySession) -> None:
        self.session = session
        self.process = session.worker_pid
        self.moved: Future[bytes] | None = None
        """Set once the session is put away: its suspended state, to be."""


class Workers:
    """A few processes for any number of sessions, from any thread and event loop."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="dspex-sandbox")
        self._pool: Monty | None = None
        self._opening = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._parked: dict[Seat, None] = {}

    async def take(self, **checkout: Any) -> Seat:
        """A seat on a fresh worker, when there is one. `checkout` is Monty's own.

        Raises:
            NoWorkerError: no worker process can be started.
        """
        await self._turn()
        seating = self._threads.submit(self._sit, checkout)
        try:
            return await asyncio.wrap_future(seating)
        except BaseException:
            seating.add_done_callback(self._unseat)
            raise

    async def on(self, seat: Seat, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `function`, which blocks while the seat's worker computes. Cancelling ends that worker."""
        work = self._threads.submit(function, *args, **kwargs)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.done() and seat.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(seat.process, signal.SIGTERM)
            raise

    def leave(self, seat: Seat) -> None:
        """Give the seat up, whatever the session on it is doing."""
        with self._lock:
            self._parked.pop(seat, None)
            gone = seat.moved is not None
        if not gone:
            with contextlib.suppress(RuntimeError):  # the Python process ends, and its workers with it
                self._threads.submit(self._close, seat)

    def park(self, seat: Seat) -> None:
        """Let others have the worker while the session waits for a host function."""
        with self._lock:
            if self._waiting:
                self._put_away(seat)
            else:
                self._parked[seat] = None

    async def unpark(self, seat: Seat) -> bytes | None:
        """None when the seat is still there, and otherwise the state to take to another one."""
        with self._lock:
            self._parked.pop(seat, None)
        if seat.moved is None:
            return None
        return await asyncio.shield(asyncio.wrap_future(seat.moved))

    # Turns

    async def _turn(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
            if self._parked:
                longest = next(iter(self._parked))
                del self._parked[longest]
                self._put_away(longest)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._free += 1

    # What the threads do

    def _sit(self, checkout: dict[str, Any]) -> Seat:
        with self._opening:
            if self._pool is None:
                self._pool = self._open()
        session = self._pool.checkout(**checkout)
        session.__enter__()
        return Seat(session)

    def _open(self) -> Monty:
        if _forked:
            raise NoWorkerError(
                "this process was forked from one that had used the sandbox, which Monty does not survive. Start "
                'processes with "spawn" or "forkserver", or fork before the first use'
            )
        try:
            from pydantic_monty import Monty

            pool = Monty(max_processes=self._count, max_checkouts_per_worker=_SESSIONS_A_PROCESS)
            pool.__enter__()
        except (ImportError, OSError, RuntimeError) as error:
            raise NoWorkerError(str(error)) from error
        return pool

    def _unseat(self, seating: Future[Seat]) -> None:
        """Undo a `take` that failed or that nobody waits for any more."""
        if seating.cancelled() or seating.exception() is not None:
            self._pass_on()
        else:
            self.leave(seating.result())

    def _put_away(self, seat: Seat) -> None:
        seat.moved = Future()
        self._threads.submit(self._move, seat, seat.moved)

    def _move(self, seat: Seat, moved: Future[bytes]) -> None:
        try:
            moved.set_result(seat.session.dump())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the state is told
            moved.set_exception(error)
        finally:
            self._close(seat)

    def _close(self, seat: Seat) -> None:
        try:
            seat.session.__exit__(None, None, None)
        finally:
            self._pass_on()


_workers: Workers | None = None
_forked = False
"""Whether an ancestor of this process had opened a pool before it forked."""


def workers() -> Workers:
    """The processes of this process."""
    global _workers
    if _workers is None:
        _workers = Workers(_cpus())
    return _workers


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _forget() -> None:
    """In a forked child the threads are gone: start anew, if that is possible."""
    global _workers, _forked
    _forked = _forked or (_workers is not None and _workers._pool is not None)
    _workers = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
