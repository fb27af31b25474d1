"""The supervisor of ``dspex dev``: keeps an embedded server and a worker alive until it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.cli.main import USAGE, Ended, note
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.temporal.server import EmbeddedServer

_LOOK_EVERY_S = 0.2
_SHORTEST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_STEADY_AFTER_S = 30.0
_WORKER_ENDS_WITHIN_S = 40.0
_PORT_FREE_WITHIN_S = 30.0


@dataclass(frozen=True)
class DevOptions:
    """As given on the command line."""

    imports: list[str] = field(default_factory=list)
    state: Path | None = None
    port: int = 7233
    ui_port: int | None = None
    ip: str = "127.0.0.1"
    task_queue: str | None = None
    store: str | None = None

    def folder(self) -> Path:
        """Where the server keeps its state."""
        if self.state is not None:
            return self.state
        import platformdirs

        return Path(platformdirs.user_data_dir("dspex", appauthor=False)) / "temporal"


def supervise(options: DevOptions) -> None:
    """Run server and worker until SIGINT or SIGTERM.

    Raises:
        UsageError: another `dspex dev` uses the folder, a port is taken, or the worker cannot import a module.
    """
    from dspex.runner.imports import AllowedModules
    from dspex.store import Store

    AllowedModules(options.imports)  # said here, once, rather than by every worker that is started
    shown_store = Store.open(options.store).shown_url
    folder = options.folder()
    with _only_one(folder):
        asyncio.run(_supervise(options, folder, shown_store))


async def _supervise(options: DevOptions, folder: Path, shown_store: str) -> None:
    from dspex.temporal.server import EmbeddedServer

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = EmbeddedServer(folder, options.port, options.ui_port, options.ip)
    worker = _WorkerProcess(options, server)
    try:
        await _start_server(server, stopped)
        if not stopped.is_set():
            worker.start()
            _tell(server, folder, shown_store)
        await _keep_alive(server, worker, stopped)
    finally:
        if worker.alive():
            note("ending: the worker, then the server")
        worker.stop()
        server.stop()


async def _start_server(server: EmbeddedServer, stopped: asyncio.Event) -> None:
    """Start it; a port that an earlier server is just giving up is waited for.

    Raises:
        UsageError: the port stays taken, or the server's program is not installed.
        TemporalNotReachableError: it does not come up.
    """
    deadline = time.monotonic() + _PORT_FREE_WITHIN_S
    while not stopped.is_set():
        try:
            server.start()
        except UsageError as error:
            if "taken" not in str(error):
                raise
            if time.monotonic() > deadline or not _earlier_server_lives(server):
                raise UsageError(
                    f"{error} If that is a Temporal server already, such as another `dspex dev`, use it: "
                    f"dspex worker --temporal {server.address}"
                ) from error
            await _wait(stopped, _LOOK_EVERY_S)
            continue
        assert server.process is not None
        _pid_file(server).write_text(str(server.process.pid))
        await server.ready()
        return


def _earlier_server_lives(server: EmbeddedServer) -> bool:
    """Whether the server that an earlier `dspex dev` started here is still ending, as after a `kill -9` of that."""
    try:
        os.kill(int(_pid_file(server).read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _pid_file(server: EmbeddedServer) -> Path:
    return server.state / "server.pid"


async def _keep_alive(server: EmbeddedServer, worker: _WorkerProcess, stopped: asyncio.Event) -> None:
    backoff = {"server": _Backoff(), "worker": _Backoff()}
    while not stopped.is_set():
        if not server.alive():
            await _again("Temporal server", backoff["server"], stopped, lambda: _start_server_again(server, stopped))
        if not worker.alive():
            worker.refuse_wrong_usage()
            await _again("worker", backoff["worker"], stopped, worker.start)
        await _wait(stopped, _LOOK_EVERY_S)


async def _start_server_again(server: EmbeddedServer, stopped: asyncio.Event) -> None:
    from dspex.temporal.connection import TemporalNotReachableError

    try:
        await _start_server(server, stopped)
    except (TemporalNotReachableError, UsageError) as error:
        note(str(error))  # and it is tried again


async def _again(what: str, backoff: _Backoff, stopped: asyncio.Event, start: Callable[[], object]) -> None:
    seconds = backoff.next()
    note(f"the {what} has died; starting it again in {seconds:.1f} s")
    await _wait(stopped, seconds)
    if stopped.is_set():
        return
    started = start()
    if asyncio.iscoroutine(started):
        await started
    note(f"the {what} is started again")


class _Backoff:
    """Short waits at first, longer ones for what keeps dying."""

    def __init__(self) -> None:
        self._wait = _SHORTEST_WAIT_S
        self._last = 0.0

    def next(self) -> float:
        now = time.monotonic()
        steady = now - self._last > _STEADY_AFTER_S
        self._wait = _SHORTEST_WAIT_S if steady else min(self._wait * 2, _LONGEST_WAIT_S)
        self._last = now
        return self._wait


class _WorkerProcess:
    """The worker as a child process."""

    def __init__(self, options: DevOptions, server: EmbeddedServer) -> None:
        self._options = options
        self._address = server.address
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        from dspex.temporal.server import dies_with_parent

        # In a group of its own: Ctrl-C at the terminal is for the supervisor, which then ends the worker first.
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent(), process_group=0
        )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def refuse_wrong_usage(self) -> None:
        """A worker that says that it was started wrongly will say so again.

        Raises:
            Ended: it has said so.
        """
        if self._process is not None and self._process.returncode == USAGE:
            raise Ended(USAGE)

    def stop(self) -> None:
        """Let it finish what is in flight, and wait until it has."""
        if self._process is None or not self.alive():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_WORKER_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        options = self._options
        command = [sys.executable, "-m", "dspex", "worker", "--temporal", self._address, "--namespace", "default"]
        for module in options.imports:
            command += ["--import", module]
        for name, value in (("--task-queue", options.task_queue), ("--store", options.store)):
            command += [name, value] if value else []
        return command


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """One supervisor a folder, for as long as the block runs: two servers on one database would not do."""
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


def _tell(server: EmbeddedServer, folder: Path, shown_store: str) -> None:
    print(f"Web UI   {server.ui_url}", flush=True)
    print(f"Temporal {server.address}", flush=True)
    note(f"state {folder}, store {shown_store}, server log {server.log}, pid {os.getpid()}. Ctrl-C ends all.")


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)
