"""Start a run, show it to its end, and leave it as Ctrl-C asks."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from dspex.backend import RunObserver
from dspex.bridge import wait_for
from dspex.cli.output.exit import INTERRUPTED, Ended, note
from dspex.execution.progress import display

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Followed(Protocol[T_co]):
    """What can be shown to its end: a `dspex.backend.BackendRun`, or a fine-tuning."""

    async def outcome(self, observer: RunObserver) -> T_co:
        """Do it, or follow it, to its end."""
        ...

    async def interrupt(self, observer: RunObserver) -> None:
        """Leave it, and say what becomes of it."""
        ...


class Silent:
    """A `RunObserver` that shows nothing."""

    def show(self, progress: object) -> None:
        """Show nothing."""

    def say(self, message: str) -> None:
        """Say nothing."""


def start(starting: Coroutine[Any, Any, T]) -> T:
    """Wait for `starting`, which starts or finds a run.

    Raises:
        Ended: interrupted.
    """
    try:
        return wait_for(starting)
    except KeyboardInterrupt:
        note("interrupted: nothing was started")
        raise Ended(INTERRUPTED) from None


def follow(run: Followed[T], *, silent: bool = False) -> T:
    """Show on standard error how `run` does until it ends, and return what came of it.

    Args:
        run: The run.
        silent: Only wait.

    Raises:
        Ended: interrupted.
        DSPyError: the run failed, or what it needs stayed away.
    """
    try:
        with display() as shown:
            return wait_for(run.outcome(Silent() if silent else shown))
    except KeyboardInterrupt:
        with display() as shown:
            wait_for(run.interrupt(shown))
        raise Ended(INTERRUPTED) from None
