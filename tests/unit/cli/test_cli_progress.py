from __future__ import annotations

import io
import logging

import pytest

from dspex.backend import RunProgress
from dspex.cli.output.logs import show_logs
from dspex.execution import progress
from dspex.execution.progress import display


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_pipe_gets_a_line_a_second_and_always_the_last(clock: Clock) -> None:
    out = io.StringIO()
    with display(out) as shown:
        for done in range(1, 31):
            shown.show(RunProgress("score before", done, 30, f"score so far {done}.0"))
            clock.now += 0.1
    lines = out.getvalue().splitlines()
    assert lines[0] == "score before 1/30  score so far 1.0"
    assert lines[-1] == "score before 30/30  score so far 30.0"
    assert 3 <= len(lines) <= 5


def test_what_has_not_changed_is_not_said_again(clock: Clock) -> None:
    out = io.StringIO()
    with display(out) as shown:
        for _ in range(5):
            shown.show(RunProgress("optimizing"))
            clock.now += 5
    assert out.getvalue() == "optimizing\n"


def test_what_is_said_comes_after_what_was_shown(clock: Clock) -> None:
    out = io.StringIO()
    with display(out) as shown:
        shown.show(RunProgress("score before", 1, 2))
        shown.show(RunProgress("score before", 2, 2))
        shown.say("waiting: no worker")
    assert out.getvalue().splitlines() == ["score before 1/2", "score before 2/2", "waiting: no worker"]


def test_the_log_of_a_worker_is_short_and_says_a_thing_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.delenv("DSPEX_TRACEBACK", raising=False)
    show_logs()
    logger = logging.getLogger("someone.temporal")
    for attempt in range(3):
        try:
            raise ValueError("no such module")
        except ValueError:
            logger.warning("Completing activity as failed ({'attempt': %d})", attempt, exc_info=True)
    logger.info("nobody asked")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING Completing activity as failed: no such module")
