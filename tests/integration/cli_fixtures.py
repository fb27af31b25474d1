"""The command line as its users run it: real processes, in a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.waiting import wait_until as wait_until

_WITHIN_S = 60.0

WORKER = Path(__file__).parents[2] / "worker.py"

APP = """\
import dspex


class Sorter(dspex.Module):
    def __init__(self):
        super().__init__()
        self.sort = dspex.Predict("text -> kind")

    def forward(self, text):
        return self.sort(text=text)


def metric(example, prediction, trace=None):
    return example.kind == prediction.kind
"""


class Process:
    """A command under way. What it says is kept in files, so that no pipe fills up."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str], name: str) -> None:
        self.folder = folder
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments], cwd=folder, env=environment, stdout=out, stderr=err, process_group=0
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def says(self, text: str, times: int = 1) -> None:
        """Wait until it has said `text` on standard error, so many times."""
        wait_until(lambda: self.err.count(text) >= times, lambda: f"{text!r} was not said:\n{self.err}")

    def interrupt(self) -> None:
        self.popen.send_signal(signal.SIGINT)

    def status(self) -> int:
        """Wait for its end."""
        return self.popen.wait(_WITHIN_S)

    def text(self) -> str:
        """What it printed, after its end."""
        assert self.status() == 0, self.err
        return self.out

    def result(self) -> dict[str, Any]:
        """The object that it printed last, after its end."""
        assert self.status() == 0, self.err
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


class Folder:
    """A user's folder, with data and an app, where commands are run against one server, store and task queue."""

    def __init__(self, path: Path, environment: dict[str, str], api_base: str) -> None:
        self.path = path
        self._environment = environment
        self._count = 0
        self.model = ["--metric", "exact_match", "--lm", "openai/practice", "--api-base", api_base]
        (path / "myapp.py").write_text(APP)
        kinds = {"fruit": ("apple", "pear", "plum"), "tool": ("hammer", "saw", "drill")}
        rows = [
            {"text": f"{thing} number {number}", "kind": kind}
            for number in range(12)
            for kind, things in kinds.items()
            for thing in things
        ]
        for name, part in (("train", rows[:36]), ("val", rows[36:])):
            (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))

    def start(self, *arguments: str, **environment: str) -> Process:
        """Start a command, with more in its environment."""
        self._count += 1
        command = ["-m", "dspex", *arguments] if arguments else [str(WORKER)]
        return Process(command, self.path, {**self._environment, **environment}, f"command-{self._count}")

    def optimize(self, *more: str, target: str = "text -> kind") -> Process:
        """Start an optimization of the data in the folder."""
        data = ["--train", "train.jsonl", "--val", "val.jsonl"]
        return self.start("optimize", target, *data, *self.model, "--json", *more)

    @contextmanager
    def worker_py(self, **environment: str) -> Iterator[Process]:
        """A worker by the script at the top of the repository, told all by its environment."""
        process = self.start(**environment)
        try:
            yield process
        finally:
            end(process)

    @contextmanager
    def worker(self, *arguments: str, **environment: str) -> Iterator[Process]:
        """A worker, for as long as the block runs."""
        process = self.start("worker", *arguments, **environment)
        try:
            yield process
        finally:
            end(process)


def end(process: Process) -> None:
    """End it as an operator would, and for good."""
    process.popen.terminate()
    try:
        process.popen.wait(_WITHIN_S)
    finally:
        process.popen.kill()
        process.popen.wait()


def environment(store: Path, temporal: str, queue: str) -> dict[str, str]:
    """The environment of the commands: nothing of the user's but what a process needs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DSPEX", "TEMPORAL", "OPENAI"))}
    ours = {"DSPEX_STORE": str(store), "TEMPORAL_ADDRESS": temporal, "DSPEX_TASK_QUEUE": queue}
    return {**kept, **ours, "PYTHONUNBUFFERED": "1"}
