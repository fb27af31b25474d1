"""A small cluster of real processes: an LM server, a Temporal server, workers. Each can be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from support.waiting import wait_until as wait_until

from dspex.temporal.server import EmbeddedServer, dies_with_parent, free_port

WORKER = """
import asyncio, os, signal, sys
from dspex.runner.imports import AllowedModules
from dspex.temporal.connection import TemporalNotReachableError, connect
from dspex.worker.worker import make_worker, serve

async def main():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    while True:
        try:
            client = await connect(sys.argv[1])
            break
        except TemporalNotReachableError:
            await asyncio.sleep(0.2)
    await serve(make_worker(client, AllowedModules(sys.argv[2:])), stopped)

asyncio.run(main())
os._exit(0)
"""


class Cluster:
    """Processes of one test. Its `environment` is what a client of the cluster needs."""

    def __init__(self, folder: Path, imports: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.imports = imports
        self.lm_port = free_port()
        self.server = EmbeddedServer(folder / "temporal", port=free_port(), ui_port=free_port())
        self.workers: list[subprocess.Popen[bytes]] = []
        self.lm: subprocess.Popen[bytes] | None = None
        self.store = f"sqlite:///{folder / 'store.db'}"

    @property
    def lm_url(self) -> str:
        return f"http://127.0.0.1:{self.lm_port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        return {"DSPEX_STORE": self.store, "TEMPORAL_ADDRESS": self.server.address}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in [*self.workers, *([self.lm] if self.lm else [])]:
            process.kill()
            process.wait()
        self.server.stop()

    def start_lm(self, *options: str) -> None:
        command = [sys.executable, "-m", "dspex_practice", "--port", str(self.lm_port), *options]
        self.lm = self._spawn(command, "lm.log")
        wait_until(lambda: self._lm("/health"), "the practice model answers")

    def start_server(self) -> None:
        self.server.start()

    def kill_server(self) -> None:
        assert self.server.process is not None
        kill(self.server.process)

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WORKER, self.server.address, *self.imports]
        worker = self._spawn(command, "worker.log", **environment)
        self.workers.append(worker)
        return worker

    def lm_stats(self) -> dict[str, Any]:
        stats = self._lm("/stats")
        assert stats is not None, "the practice model does not answer"
        return stats

    def _spawn(self, command: list[str], log: str, **environment: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, **self.environment, **environment}
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, preexec_fn=dies_with_parent()
            )

    def _lm(self, path: str) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.lm_port}{path}", timeout=5) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except OSError:
            return None


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, and wait until the process is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait()
