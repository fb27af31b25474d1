"""The worker processes, and the sessions that lease them.

There are as many as this machine has CPUs, and a session needs one only while its code computes. Between two executions
it is bytes. While it waits for a host function (an LM call of seconds, another sandboxed program) it is *parked*: it
keeps its worker as long as no other session needs it, and is otherwise put away as bytes and brought back afterwards.
So thousands of sessions may wait at once, and sandboxed code may call sandboxed code to any depth, with few processes.

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


class WorkerLease:
    """One session's hold on a worker process, until `Workers.release`."""

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
        self._parked: dict[WorkerLease, None] = {}

    async def acquire(self, **checkout: Any) -> WorkerLease:
        """Lease a fresh worker, as soon as there is one.

        Args:
            checkout: Arguments of Monty's ``checkout``.

        Raises:
            NoWorkerError: no worker process can be started.
        """
        await self._turn()
        checking_out = self._threads.submit(self._checkout, checkout)
        try:
            return await asyncio.wrap_future(checking_out)
        except BaseException:
            checking_out.add_done_callback(self._undo_acquire)
            raise

    async def on(self, lease: WorkerLease, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function that blocks while a leased worker computes. Cancelling ends that worker.

        Args:
            lease: The worker.
            function: The function, which is run in a thread.
            *args: Its arguments.
            **kwargs: Its keyword arguments.
        """
        work = self._threads.submit(function, *args, **kwargs)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if not work.done() and lease.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(lease.process, signal.SIGTERM)
            raise

    def release(self, lease: WorkerLease) -> None:
        """Give the worker back, whatever the session on it is doing."""
        with self._lock:
            self._parked.pop(lease, None)
            gone = lease.moved is not None
        if not gone:
            with contextlib.suppress(RuntimeError):  # the Python process ends, and its workers with it
                self._threads.submit(self._close, lease)

    def park(self, lease: WorkerLease) -> None:
        """Let others have the worker while the session waits for a host function."""
        with self._lock:
            if self._waiting:
                self._put_away(lease)
            else:
                self._parked[lease] = None

    async def unpark(self, lease: WorkerLease) -> bytes | None:
        """End `park`: None when the worker is still there, and otherwise the state to load into another one."""
        with self._lock:
            self._parked.pop(lease, None)
        if lease.moved is None:
            return None
        return await asyncio.shield(asyncio.wrap_future(lease.moved))

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

    # In the threads

    def _checkout(self, checkout: dict[str, Any]) -> WorkerLease:
        with self._opening:
            if self._pool is None:
                self._pool = self._open()
        session = self._pool.checkout(**checkout)
        session.__enter__()
        return WorkerLease(session)

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

    def _undo_acquire(self, checking_out: Future[WorkerLease]) -> None:
        """Undo an `acquire` that failed or that was cancelled."""
        if checking_out.cancelled() or checking_out.exception() is not None:
            self._pass_on()
        else:
            self.release(checking_out.result())

    def _put_away(self, lease: WorkerLease) -> None:
        lease.moved = Future()
        self._threads.submit(self._move, lease, lease.moved)

    def _move(self, lease: WorkerLease, moved: Future[bytes]) -> None:
        try:
            moved.set_result(lease.session.dump())
        except BaseException as error:  # noqa: BLE001 - raised where the state is waited for
            moved.set_exception(error)
        finally:
            self._close(lease)

    def _close(self, lease: WorkerLease) -> None:
        try:
            lease.session.__exit__(None, None, None)
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
