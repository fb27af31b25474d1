"""Running a command in this process: what it printed, and the exit status it would end with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from dspex import settings
from dspex.cli.command_line import run


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *arguments: object) -> Said: ...


@pytest.fixture
def dspex(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: object
) -> Iterator[Command]:
    """``dspex("optimize", ...)`` in an empty folder, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return Said(status, *capsys.readouterr())

    yield command
    for number, handler in handlers.items():
        signal.signal(number, handler)
    settings.reset()
