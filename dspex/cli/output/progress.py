"""How a run is doing, on standard error: a bar on a terminal, now and then a line when piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

_LINE_EVERY_S = 1.0


@dataclass(frozen=True)
class Glance:
    """A run at one moment: what it does, how far that is, and what is known so far."""

    title: str
    done: int = 0
    total: int = 0
    note: str = ""

    def line(self) -> str:
        count = f" {self.done}/{self.total}" if self.total else ""
        return f"{self.title}{count}{'  ' if self.note else ''}{self.note}"


class Display(Protocol):
    """Shows glances; says things that stay."""

    def show(self, glance: Glance) -> None: ...

    def say(self, message: str) -> None: ...


@contextmanager
def display(stream: TextIO | None = None) -> Iterator[Display]:
    """A display for as long as the block runs."""
    out = stream or sys.stderr
    if out.isatty():
        with _bar(out) as bar:
            yield bar
        return
    lines = _Lines(out)
    try:
        yield lines
    finally:
        lines.finish()


class _Lines:
    """A line when something has changed, about one a second at most; the last one always."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._printed_at = 0.0
        self._last = ""
        self._waiting: str | None = None

    def show(self, glance: Glance) -> None:
        self._waiting = glance.line()
        if time.monotonic() - self._printed_at >= _LINE_EVERY_S:
            self.finish()

    def say(self, message: str) -> None:
        self.finish()
        print(message, file=self._out, flush=True)

    def finish(self) -> None:
        line, self._waiting = self._waiting, None
        if line is None or line == self._last:
            return
        print(line, file=self._out, flush=True)
        self._last, self._printed_at = line, time.monotonic()


class _Bar:
    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._title: str | None = None

    def show(self, glance: Glance) -> None:
        if glance.title != self._title:  # another step has its own size and its own clock
            self._begin(glance.title)
        count = f"{glance.done}/{glance.total}" if glance.total else ""
        self._progress.update(
            self._task, completed=glance.done, total=glance.total or None, count=count, note=glance.note
        )

    def _begin(self, title: str) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=None, count="", note="")
        self._title = title

    def say(self, message: str) -> None:
        self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bar(out: TextIO) -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=out), transient=True) as progress:
        yield _Bar(progress)
