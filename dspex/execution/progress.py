"""How far something has come, for people: a bar on a terminal, now and then a line when piped. On standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Bar(Protocol):
    """Told of each piece that is done."""

    def advance(self, note: str) -> None: ...


@contextmanager
def progress(title: str, total: int, *, shown: bool = True, stream: TextIO | None = None) -> Iterator[Bar]:
    """Show how many of `total` pieces are done while the block runs."""
    out = stream or sys.stderr
    if not shown or not total:
        yield _Nothing()
    elif out.isatty():
        yield from _on_terminal(title, total, out)
    else:
        yield _Lines(title, total, out)


class _Nothing:
    def advance(self, note: str) -> None:
        """Nobody looks."""


class _Lines:
    """About ten lines in all, whatever the total."""

    def __init__(self, title: str, total: int, out: TextIO) -> None:
        self._title, self._total, self._out = title, total, out
        self._done = 0

    def advance(self, note: str) -> None:
        self._done += 1
        if self._done * 10 // self._total > (self._done - 1) * 10 // self._total:
            print(f"{self._title}: {self._done}/{self._total}{note and '  ' + note}", file=self._out, flush=True)


class _RichBar:
    def __init__(self, bar: object, task: object) -> None:
        self._bar, self._task = bar, task

    def advance(self, note: str) -> None:
        self._bar.update(self._task, advance=1, note=note)  # type: ignore[attr-defined]


def _on_terminal(title: str, total: int, out: TextIO) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=out)) as bar:
        yield _RichBar(bar, bar.add_task(title, total=total, note=""))
