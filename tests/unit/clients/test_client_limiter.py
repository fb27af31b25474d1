"""The gate before an endpoint: places, pauses, and how it opens again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from client_fakes import until

from dspex.clients.limiter import Gate
from dspex.errors import LMRateLimitError


class Clock:
    """A clock that a test sets, and the alarms set on it."""

    def __init__(self, gate_of: Any = None) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate(now=clock)
    monkeypatch.setattr(made, "_ring_later", lambda seconds: None)
    return made


def over(gate: Gate, clock: Clock, seconds: float) -> None:
    """Let `seconds` pass; the alarm rings."""
    clock.time += seconds
    gate._resume()


async def queue(gate: Gate, callers: int, limit: int = 64) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(gate.enter(limit)) for _ in range(callers)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def inside(tasks: list[asyncio.Task[None]]) -> int:
    return sum(task.done() and not task.cancelled() and task.exception() is None for task in tasks)


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_places_are_given_in_order_of_arrival(gate: Gate) -> None:
    tasks = await queue(gate, 5, limit=2)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    gate.leave()
    await until(lambda: tasks[2].done())
    assert not tasks[3].done()
    await cancel(tasks)


async def test_cancelled_caller_leaves_no_place_taken(gate: Gate) -> None:
    tasks = await queue(gate, 3, limit=1)
    tasks[1].cancel()
    gate.leave()
    await until(lambda: tasks[2].done())
    gate.leave()
    assert inside(await queue(gate, 1, limit=1)) == 1


async def test_caller_cancelled_while_let_in_passes_the_place_on(gate: Gate) -> None:
    tasks = await queue(gate, 3, limit=1)
    gate.leave()  # lets the second in, which is cancelled before it runs on
    tasks[1].cancel()
    await until(lambda: tasks[2].done())
    assert tasks[1].cancelled()


async def test_refused_caller_goes_first(gate: Gate) -> None:
    tasks = await queue(gate, 3, limit=1)
    again = asyncio.create_task(gate.enter(1, again=True))
    await asyncio.sleep(0)
    gate.leave()
    await until(lambda: again.done())
    assert not tasks[1].done()
    await cancel(tasks)


async def test_pause_stops_every_caller(gate: Gate, clock: Clock) -> None:
    gate.pause(5)
    tasks = await queue(gate, 10)
    assert inside(tasks) == 0
    over(gate, clock, 5)
    await until(lambda: inside(tasks) > 0)
    await cancel(tasks)


async def test_longest_pause_counts(gate: Gate, clock: Clock) -> None:
    gate.pause(5)
    gate.pause(1)
    tasks = await queue(gate, 1)
    over(gate, clock, 2)
    await asyncio.sleep(0)
    assert inside(tasks) == 0
    over(gate, clock, 3)
    await until(lambda: inside(tasks) == 1)


async def test_after_a_pause_only_about_as_many_as_were_accepted_before_go_on(gate: Gate, clock: Clock) -> None:
    for _ in range(10):
        gate.answered()
    gate.pause(1)
    tasks = await queue(gate, 64)
    over(gate, clock, 1)
    await until(lambda: inside(tasks) == 15)
    await asyncio.sleep(0)
    assert inside(tasks) == 15
    gate.answered()
    gate.leave()
    await until(lambda: inside(tasks) == 17)
    await cancel(tasks)


async def test_pause_too_long_to_wait_for_sends_all_away(gate: Gate) -> None:
    await gate.enter(1)
    tasks = await queue(gate, 2, limit=1)
    gate.pause(3600)
    with pytest.raises(LMRateLimitError) as caught:
        await gate.enter(1)
    assert caught.value.retry_after == 3600
    waited = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, LMRateLimitError) for one in waited)


async def test_alarm_opens_the_gate_by_itself() -> None:
    gate = Gate()
    gate.pause(0.001)
    async with asyncio.timeout(10):
        await gate.enter(1)


async def test_refusals_in_a_row_stop_every_caller(gate: Gate) -> None:
    for _ in range(10):
        await gate.enter(64)
    assert [gate.refused(5) for _ in range(6)] == [False] * 5 + [True]


async def test_refusals_among_answers_stop_nobody_else(gate: Gate) -> None:
    for _ in range(10):
        await gate.enter(64)
    for _ in range(20):
        assert not gate.refused(5)
        gate.answered()
    await gate.enter(64)


async def test_the_only_caller_that_is_refused_stops_the_next(gate: Gate) -> None:
    await gate.enter(64)
    assert gate.refused(5)


async def test_a_long_rest_stops_every_caller_at_once(gate: Gate) -> None:
    for _ in range(10):
        await gate.enter(64)
    assert gate.refused(3600)
