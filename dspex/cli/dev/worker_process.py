"""The worker of ``dspex dev``, as a child process."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from dspex.cli.output.exit import USAGE, Ended

if TYPE_CHECKING:
    from dspex.cli.dev.options import DevOptions
    from dspex.temporal.server import EmbeddedServer

_WORKER_ENDS_WITHIN_S = 40.0


class WorkerProcess:
    """A worker of `server` in a process of its own."""

    def __init__(self, options: DevOptions, server: EmbeddedServer) -> None:
        self._options = options
        self._address = server.address
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. The kernel ends it when this process dies."""
        from dspex.temporal.server import dies_with_parent

        # In a process group of its own: Ctrl-C at the terminal must reach the supervisor only, which ends the worker.
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, preexec_fn=dies_with_parent(), process_group=0
        )

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def refuse_wrong_usage(self) -> None:
        """End the command if the worker ended over wrong usage: it would do so again, and has said why.

        Raises:
            Ended: it did.
        """
        if self._process is not None and self._process.returncode == USAGE:
            raise Ended(USAGE)

    def stop(self) -> None:
        """Let it finish what is in flight, and wait for its end."""
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
