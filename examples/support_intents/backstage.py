"""The processes behind the demo: Temporal server, practice model, worker. One that is killed is started again."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from dspex.errors import UsageError
from dspex.temporal.server import EmbeddedServer, dies_with_parent, free_port

ROOT = Path(__file__).resolve().parents[2]
PROGRAM_MODULE = "examples.support_intents.program"

_PATIENCE_S = 20.0
_TO_END_S = 8.0
_POLL_S = 0.2


@dataclass
class Notes:
    """What the demo must know when it is started again. `practice_port` is part of every call's key in the ledger."""

    run: int = 1
    started: bool = False
    practice_port: int = 0
    temporal_port: int = 0
    ui_port: int = 0
    processes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Notes:
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def write(self, file: Path) -> None:
        """Replace the file at once: a reader finds the old notes or the new, never half of them."""
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(file)


class Backstage:
    """Three processes that end with this one. `on_event` gets a message when one had to be started again."""

    def __init__(self, folder: Path, notes: Notes, on_event: Callable[[str], None]) -> None:
        self.folder = folder
        self.notes = notes
        self._on_event = on_event
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        _end_survivors(notes.processes)
        notes.temporal_port = _usable(notes.temporal_port or 7233)
        notes.ui_port = _usable(notes.ui_port or 8233)
        notes.practice_port = notes.practice_port or free_port()
        self.server = EmbeddedServer(folder / "temporal", port=notes.temporal_port, ui_port=notes.ui_port)

    @property
    def practice_url(self) -> str:
        return f"http://127.0.0.1:{self.notes.practice_port}/v1"

    @property
    def processes(self) -> str:
        """Name and process id of each."""
        return ", ".join(f"{name} {process.pid}" for name, process in self._children.items())

    async def start(self) -> None:
        """Start all three, and wait until they answer."""
        self._start_server()
        self._start("practice model", self._practice_command())
        await self.server.ready()
        await _until_healthy(self.practice_url, self._children["practice model"])
        self._start("worker", self._worker_command())
        self._write_down()

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and start again what is killed meanwhile.

        Raises:
            UsageError: a process ended by itself (its log says why), or `make` was killed, whose demo this is.
        """
        tasks = [asyncio.create_task(work), asyncio.create_task(self._keep_up())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            for task in tasks:
                task.cancel()

    async def _keep_up(self) -> None:
        while True:
            if self._make not in (None, os.getppid()):
                raise UsageError("make is gone, and so this demo ends. `make demo` goes on where it was.")
            for name, child in list(self._children.items()):
                if child.poll() is not None:
                    self._restart(name, child)
            await asyncio.sleep(_POLL_S)

    def stop(self) -> None:
        """End all three, the server last. The worker is not waited for long: nothing is lost with it."""
        for name in ("worker", "practice model"):
            if name in self._children:
                _end(self._children[name])
        self.server.stop()
        self.notes.processes = {}

    def _restart(self, name: str, dead: subprocess.Popen[bytes]) -> None:
        if dead.returncode >= 0:
            raise UsageError(f"The {name} has ended with status {dead.returncode}. Its log: {self._log(name)}")
        if name == "Temporal server":
            self._start_server()
        else:
            self._start(name, self._worker_command() if name == "worker" else self._practice_command())
        self._write_down()
        self._on_event(f"The {name} ({dead.pid}) was killed. Started another ({self._children[name].pid}).")

    def _log(self, name: str) -> Path:
        return self.server.log if name == "Temporal server" else self.folder / f"{name.replace(' ', '-')}.log"

    def _start_server(self) -> None:
        self.server.start()
        assert self.server.process is not None
        self._children["Temporal server"] = self.server.process

    def _start(self, name: str, command: list[str]) -> None:
        store = str(self.folder / "store.db")
        environment = {**os.environ, "DSPEX_STORE": store, "TEMPORAL_ADDRESS": self.server.address}
        with self._log(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends its children
                preexec_fn=dies_with_parent(),
            )

    def _practice_command(self) -> list[str]:
        return ["-m", "dspex_practice", "--port", str(self.notes.practice_port), "--latency", "0.2", "--jitter", "0.1"]

    def _worker_command(self) -> list[str]:
        return ["-m", "dspex", "worker", "--import", PROGRAM_MODULE]

    def _write_down(self) -> None:
        self.notes.processes = {name: process.pid for name, process in self._children.items()}
        self.notes.write(self.folder / "demo.json")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a process that dies.

    Raises:
        UsageError: another demo works there, and does not end within some seconds.
    """
    with (folder / "demo.lock").open("w") as lock:
        deadline = time.monotonic() + _TO_END_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise UsageError(f"A demo is under way in {folder.parent}. Watch that one, or end it first.")
            time.sleep(_POLL_S)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end_survivors(processes: dict[str, int]) -> None:
    """End what a killed demo has left behind (Linux does so by itself). They are known by id and by command."""
    left = [pid for pid in processes.values() if _is_ours(pid)]
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while any(_is_ours(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _is_ours(pid: int) -> bool:
    try:
        found = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no `ps`: a small container, so Linux, where nothing is left behind
        return False
    return any(sign in found.stdout for sign in (PROGRAM_MODULE, "dspex_practice", str(ROOT)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _usable(port: int) -> int:
    """`port`, or another one if that is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


async def _until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    health = url.removesuffix("/v1") + "/health"
    for _ in _tries():
        if process.poll() is not None:
            raise UsageError(
                f"The practice model does not start at {url}, which is part of what this run paid for. Its log is "
                "practice-model.log in .dspex. If another program has the port, end that, or start afresh without "
                ".dspex/demo.json."
            )
        if await asyncio.to_thread(_answers, health):
            return
        await asyncio.sleep(_POLL_S)
    raise UsageError(f"The practice model does not answer at {url}.")


def _tries() -> Iterator[None]:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        yield


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
