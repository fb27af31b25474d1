"""The supervisor of ``dspex dev``: keeps an embedded server and a worker alive until it is told to end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.cli.dev.worker_process import WorkerProcess
from dspex.cli.output.exit import note
from dspex.cli.signals import on_stop_signal, sleep_unless
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.dev.options import DevOptions
    from dspex.temporal.server import EmbeddedServer

_CHECK_EVERY_S = 0.2
_SHORTEST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_STEADY_AFTER_S = 30.0
"""A process that has lived for so long is started again at once when it dies."""
_PORT_FREE_WITHIN_S = 30.0
"""How long a server that is ending may hold on to its port."""


def supervise(options: DevOptions) -> None:
    """Run server and worker until SIGINT or SIGTERM.

    Raises:
        UsageError: another `dspex dev` uses the folder, a port is taken, or the worker cannot import a module.
    """
    from dspex.runner.imports import AllowedModules
    from dspex.store import Store

    AllowedModules(options.imports)  # fails here, once, rather than in every worker that is started
    store_url = Store.open(options.store).shown_url  # without its password
    folder = options.folder()
    with _only_one(folder):
        asyncio.run(_supervise(options, folder, store_url))


async def _supervise(options: DevOptions, folder: Path, store_url: str) -> None:
    from dspex.temporal.server import EmbeddedServer

    stopped = asyncio.Event()
    on_stop_signal(stopped.set)
    server = EmbeddedServer(folder, options.port, options.ui_port, options.ip)
    worker = WorkerProcess(options, server)
    try:
        await _start_server(server, stopped)
        if not stopped.is_set():
            worker.start()
            _show_addresses(server, folder, store_url)
        await _keep_alive(server, worker, stopped)
    finally:
        if worker.alive():
            note("ending: the worker, then the server")
        worker.stop()
        server.stop()


async def _start_server(server: EmbeddedServer, stopped: asyncio.Event) -> None:
    """Start it. Waits for a port that an earlier server, which is ending, still has.

    Raises:
        UsageError: the port stays taken, or the server's program is not installed.
        TemporalNotReachableError: it does not come up.
    """
    from dspex.temporal.server import PortTakenError

    deadline = time.monotonic() + _PORT_FREE_WITHIN_S
    while not stopped.is_set():
        try:
            server.start()
        except PortTakenError as error:
            if time.monotonic() > deadline or not _earlier_server_lives(server):
                raise UsageError(
                    f"{error} If that is a Temporal server already, such as another `dspex dev`, use it: "
                    f"dspex worker --temporal {server.address}"
                ) from error
            await sleep_unless(stopped, _CHECK_EVERY_S)
            continue
        assert server.process is not None
        _pid_file(server).write_text(str(server.process.pid))
        await server.ready()
        return


def _earlier_server_lives(server: EmbeddedServer) -> bool:
    """Whether the server of an earlier `dspex dev` still runs: it outlives a `kill -9` of that for a moment."""
    try:
        os.kill(int(_pid_file(server).read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _pid_file(server: EmbeddedServer) -> Path:
    return server.state / "server.pid"


async def _keep_alive(server: EmbeddedServer, worker: WorkerProcess, stopped: asyncio.Event) -> None:
    backoff = {"server": _Backoff(), "worker": _Backoff()}
    while not stopped.is_set():
        if not server.alive():
            await _restart("Temporal server", backoff["server"], stopped, lambda: _start_server_again(server, stopped))
        if not worker.alive():
            worker.refuse_wrong_usage()
            await _restart("worker", backoff["worker"], stopped, worker.start)
        await sleep_unless(stopped, _CHECK_EVERY_S)


async def _start_server_again(server: EmbeddedServer, stopped: asyncio.Event) -> None:
    from dspex.temporal.connection import TemporalNotReachableError

    try:
        await _start_server(server, stopped)
    except (TemporalNotReachableError, UsageError) as error:
        note(str(error))  # the supervisor tries again


async def _restart(what: str, backoff: _Backoff, stopped: asyncio.Event, start: Callable[[], object]) -> None:
    seconds = backoff.next()
    note(f"the {what} has died; starting it again in {seconds:.1f} s")
    await sleep_unless(stopped, seconds)
    if stopped.is_set():
        return
    started = start()
    if asyncio.iscoroutine(started):
        await started
    note(f"the {what} is started again")


class _Backoff:
    """The pause before a process is started again: short at first, longer for one that keeps dying."""

    def __init__(self) -> None:
        self._wait = _SHORTEST_WAIT_S
        self._last = 0.0

    def next(self) -> float:
        """The pause, in seconds, after one more death."""
        now = time.monotonic()
        steady = now - self._last > _STEADY_AFTER_S
        self._wait = _SHORTEST_WAIT_S if steady else min(self._wait * 2, _LONGEST_WAIT_S)
        self._last = now
        return self._wait


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder for as long as the block runs: two servers must not share a database.

    Raises:
        UsageError: another supervisor has it, or it cannot be written.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "dev.lock").open("ab")
    except OSError as error:
        raise UsageError(
            f"Cannot keep the server's state in {folder}: {error.strerror}. Name another --state."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another `dspex dev` is running on {folder}. Use that one, or give this one another --state "
                "and --port."
            ) from None
        yield


def _show_addresses(server: EmbeddedServer, folder: Path, store_url: str) -> None:
    print(f"Web UI   {server.ui_url}", flush=True)
    print(f"Temporal {server.address}", flush=True)
    note(f"state {folder}, store {store_url}, server log {server.log}, pid {os.getpid()}. Ctrl-C ends all.")
