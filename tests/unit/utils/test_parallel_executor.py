"""A function of the user's runs on many items in threads, and what it does wrong is told."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import pytest

import dspex
from dspex.bridge import run_sync
from dspex.utils.parallelizer import ParallelExecutor

threads = pytest.mark.parametrize("num_threads", [1, 4])


def executor(num_threads: int = 4, **more: Any) -> ParallelExecutor:
    return ParallelExecutor(num_threads=num_threads, disable_progress_bar=True, **more)


def odd_fails(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    return number


@threads
def test_results_are_in_the_order_of_the_items(num_threads: int) -> None:
    assert executor(num_threads).execute(lambda x: x * 2, range(10)) == list(range(0, 20, 2))
    assert executor(num_threads).execute(lambda x: x, []) == []


@threads
def test_failures_are_none_and_told(num_threads: int, caplog: pytest.LogCaptureFixture) -> None:
    run = executor(num_threads)
    assert run.execute(odd_fails, range(4)) == [0, None, 2, None]
    assert sorted(run.failed_indices) == [1, 3]
    assert {index: type(error) for index, error in run.exceptions_map.items()} == {1: ValueError, 3: ValueError}
    assert "Error for 1" in caplog.text
    assert "Traceback" not in caplog.text


def test_tracebacks_are_logged_if_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    executor(provide_traceback=True).execute(odd_fails, [1])
    assert "in odd_fails" in caplog.text


@threads
def test_too_many_failures_end_it(num_threads: int) -> None:
    with pytest.raises(Exception, match="cancelled due to errors") as caught:
        executor(num_threads, max_errors=1).execute(odd_fails, [0, 1])
    assert isinstance(caught.value, dspex.DSPyError)


def test_functions_may_wait_for_one_another() -> None:
    barrier = threading.Barrier(4)
    assert executor().execute(lambda x: barrier.wait() < 4, range(4)) == [True] * 4


def test_straggler_is_tried_once_more() -> None:
    calls: list[int] = []
    release = threading.Event()

    def first_hangs(number: int) -> int:
        calls.append(number)
        if calls.count(2) == 1 and number == 2:
            release.wait()
        return number

    assert executor(timeout=0.05, straggler_limit=1).execute(first_hangs, range(3)) == [0, 1, 2]
    release.set()
    assert sorted(calls) == [0, 1, 2, 2]


place: ContextVar[str] = ContextVar("place", default="nowhere")


@threads
def test_settings_go_along_and_changes_stay_with_the_item(num_threads: int) -> None:
    def ask(number: int) -> tuple[Any, str]:
        before = place.get()
        place.set(str(number))
        return dspex.settings.max_errors, before

    place.set("here")
    with dspex.context(max_errors=77):
        assert executor(num_threads).execute(ask, range(3)) == [(77, "here")] * 3
    assert place.get() == "here"


async def test_it_works_inside_a_program_on_the_event_loop() -> None:
    assert await run_sync(executor().execute, lambda x: x + 1, [1, 2, 3]) == [2, 3, 4]


def test_interrupt_is_raised_to_the_caller() -> None:
    def interrupted(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor().execute(interrupted, range(2))
    assert executor().execute(lambda x: x, [1]) == [1]  # the engine still runs


def test_average_of_scores_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ParallelExecutor(num_threads=2, compare_results=True).execute(lambda x: (x, x == 1), [0, 1])
    assert "Average Metric: 1.00 / 2 (50.0%)" in capsys.readouterr().err
