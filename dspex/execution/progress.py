"""How far work has come, for people: a bar on a terminal, now and then a line when piped. On standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from dspex.backend import RunProgress

_LINE_EVERY_S = 1.0
_LINES_IN_ALL = 10

_IsDue = Callable[[RunProgress], bool]
"""Whether it is time for another line."""


class Display(Protocol):
    """Shows how work does, and messages that stay in view."""

    def show(self, progress: RunProgress) -> None:
        """Show that the work is now at this step."""

    def say(self, message: str) -> None:
        """Print `message` for good, above the bar if there is one."""


class Bar(Protocol):
    """Counts pieces of work."""

    def advance(self, note: str) -> None:
        """Note that one more piece is done; `note` is what is known so far."""


@contextmanager
def display(stream: TextIO | None = None) -> Iterator[Display]:
    """Show progress for as long as the block runs. When piped: a line when something has changed, at most one a second.

    Args:
        stream: Where to write; by default standard error.
    """
    with _display(stream or sys.stderr, _each_second(), transient=True) as shown:
        yield shown


@contextmanager
def progress(title: str, total: int, *, shown: bool = True, stream: TextIO | None = None) -> Iterator[Bar]:
    """Show how many of `total` pieces are done while the block runs. When piped: about ten lines, whatever the total.

    Args:
        title: What is done.
        total: The number of pieces.
        shown: Whether to show anything.
        stream: Where to write; by default standard error.
    """
    if not shown or not total:
        yield _Hidden()
        return
    with _display(stream or sys.stderr, _each_tenth(), transient=False) as out:
        yield _Counter(out, f"{title}:", total)


def line_of(progress: RunProgress) -> str:
    """`progress` as one line of text."""
    count = f" {progress.done}/{progress.total}" if progress.total else ""
    return f"{progress.title}{count}{'  ' if progress.note else ''}{progress.note}"


class _Hidden:
    def advance(self, note: str) -> None:
        """Show nothing."""


class _Counter:
    def __init__(self, display: Display, title: str, total: int) -> None:
        self._display, self._title, self._total = display, title, total
        self._done = 0

    def advance(self, note: str) -> None:
        self._done += 1
        self._display.show(RunProgress(self._title, self._done, self._total, note))


@contextmanager
def _display(out: TextIO, is_due: _IsDue, *, transient: bool) -> Iterator[Display]:
    """A bar, which leaves the screen at its end if it is `transient`, or lines where `out` is no terminal."""
    if out.isatty():
        with _rich_bar(out, transient=transient) as bar:
            yield bar
        return
    lines = _Lines(out, is_due)
    try:
        yield lines
    finally:
        lines.finish()


def _each_second() -> _IsDue:
    last = 0.0

    def is_due(progress: RunProgress) -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < _LINE_EVERY_S:
            return False
        last = now
        return True

    return is_due


def _each_tenth() -> _IsDue:
    printed = 0

    def is_due(progress: RunProgress) -> bool:
        nonlocal printed
        tenth = progress.done * _LINES_IN_ALL // progress.total
        due, printed = tenth > printed, tenth
        return due

    return is_due


class _Lines:
    """A line when one is due and something has changed; the last one always."""

    def __init__(self, out: TextIO, is_due: _IsDue) -> None:
        self._out = out
        self._is_due = is_due
        self._last = ""
        self._waiting: str | None = None

    def show(self, progress: RunProgress) -> None:
        self._waiting = line_of(progress)
        if self._is_due(progress):
            self.finish()

    def say(self, message: str) -> None:
        self.finish()
        print(message, file=self._out, flush=True)

    def finish(self) -> None:
        """Print the line that waits, if any."""
        line, self._waiting = self._waiting, None
        if line is not None and line != self._last:
            print(line, file=self._out, flush=True)
            self._last = line


class _RichBar:
    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._title: str | None = None

    def show(self, progress: RunProgress) -> None:
        if progress.title != self._title:  # another step has its own size and its own clock
            self._begin(progress.title)
        count = f"{progress.done}/{progress.total}" if progress.total else ""
        self._progress.update(
            self._task, completed=progress.done, total=progress.total or None, count=count, note=progress.note
        )

    def _begin(self, title: str) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=None, count="", note="")
        self._title = title

    def say(self, message: str) -> None:
        self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _rich_bar(out: TextIO, *, transient: bool) -> Iterator[_RichBar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("<", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=out), transient=transient) as bar:
        yield _RichBar(bar)
