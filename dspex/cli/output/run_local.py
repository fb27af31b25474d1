"""Runs in this process: on the engine's event loop, with Ctrl-C that loses nothing paid."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from dspex.cli.main import INTERRUPTED, Ended, note
from dspex.errors import StoreError

if TYPE_CHECKING:
    from dspex.cli.output.progress import Display
    from dspex.runner.run_record import LocalRecord
    from dspex.store.outcomes import Outcome

T = TypeVar("T")


def run_here(record: LocalRecord, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do `work`; if it fails or is interrupted, finish what is paid for and write that down.

    Raises:
        Ended: interrupted.
    """
    from dspex.bridge import wait_for

    try:
        return wait_for(work())
    except KeyboardInterrupt:
        note("interrupted: finishing the calls that are under way (Ctrl-C again to leave at once)")
        bill = wait_for(record.abandon("interrupted"))
        note(
            f"run {record.run_id}: {bill.calls} calls are paid and kept in the ledger. The same command again goes on "
            "from there."
        )
        raise Ended(INTERRUPTED) from None
    except Exception as error:
        _write_down(record, error)
        raise


def _write_down(record: LocalRecord, error: Exception) -> None:
    from dspex.bridge import wait_for

    try:
        wait_for(record.abandon("failed", error))
    except StoreError as second:  # perhaps the very reason of the failure, which is what the user must see
        error.add_note(str(second))


class Count:
    """Counts the examples of each step, and shows it."""

    def __init__(self, shown: Display) -> None:
        from dspex.execution.score import ExactSum

        self._shown = shown
        self._path = ""
        self._done = self._failed = 0
        self._total = ExactSum()

    def outcome(self, path: str, size: int, outcome: Outcome) -> None:
        """One example of a step of `size` examples is done."""
        from dspex.execution.score import ExactSum

        if path != self._path:
            self._path, self._done, self._failed, self._total = path, 0, 0, ExactSum()
        self._done += 1
        self._failed += outcome.score is None and outcome.error is not None
        self._total.add(outcome.score or 0.0)
        self._show(size, traced=outcome.passed is not None)

    def _show(self, size: int, *, traced: bool) -> None:
        from dspex.cli.output.progress import Glance

        title = {"baseline": "score before", "final": "score after", "evaluate": "evaluating"}.get(
            self._path, self._path
        )
        score = "" if traced else f"score so far {self._total.percent(self._done)}"
        failed = f"{self._failed} failed" if self._failed else ""
        self._shown.show(Glance(title, self._done, size, ", ".join(part for part in (score, failed) if part)))
