"""The gate before an endpoint: places, pace, rests, and an endpoint that is down."""

from __future__ import annotations

import asyncio

import pytest
from client_fakes import until

from dspex.clients.resilience.adaptive_rate import FIRST_CALLS
from dspex.clients.resilience.circuit_breaker import FAILURES
from dspex.clients.resilience.limiter import EndpointLimiter
from dspex.errors import LMRateLimitError, LMServerError


class Clock:
    time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> EndpointLimiter:
    """A gate whose alarms the test rings."""
    made = EndpointLimiter(now=clock)
    monkeypatch.setattr(made, "_wait", lambda seconds: None)
    return made


def over(gate: EndpointLimiter, clock: Clock, seconds: float) -> None:
    """Let `seconds` pass; the alarm rings."""
    clock.time += seconds
    gate._ring()


async def queue(gate: EndpointLimiter, callers: int, limit: int = 64) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(gate.enter(limit)) for _ in range(callers)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def inside(tasks: list[asyncio.Task[int]]) -> int:
    return sum(task.done() and not task.cancelled() and task.exception() is None for task in tasks)


async def cancel(tasks: list[asyncio.Task[int]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_places_are_given_in_order_of_arrival(gate: EndpointLimiter) -> None:
    tasks = await queue(gate, 5, limit=2)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    gate.leave()
    await until(lambda: tasks[2].done())
    assert not tasks[3].done()
    await cancel(tasks)


async def test_cancelled_caller_leaves_no_place_taken(gate: EndpointLimiter) -> None:
    tasks = await queue(gate, 3, limit=1)
    tasks[1].cancel()
    gate.leave()
    await until(lambda: tasks[2].done())
    gate.leave()
    assert inside(await queue(gate, 1, limit=1)) == 1


async def test_caller_cancelled_while_let_in_passes_the_place_on(gate: EndpointLimiter) -> None:
    tasks = await queue(gate, 3, limit=1)
    gate.leave()  # lets the second in, which is cancelled before it runs on
    tasks[1].cancel()
    await until(lambda: tasks[2].done())
    assert tasks[1].cancelled()


async def test_refused_caller_goes_first(gate: EndpointLimiter) -> None:
    tasks = await queue(gate, 3, limit=1)
    again = asyncio.create_task(gate.enter(1, again=True))
    await asyncio.sleep(0)
    gate.leave()
    await until(lambda: again.done())
    assert not tasks[1].done()
    await cancel(tasks)


async def test_an_unknown_endpoint_gets_few_calls_at_first_and_more_with_every_answer(gate: EndpointLimiter) -> None:
    tasks = await queue(gate, 64)
    assert inside(tasks) == FIRST_CALLS
    for _ in range(FIRST_CALLS):
        gate.answered()
        gate.leave()
    await until(lambda: inside(tasks) > 2 * FIRST_CALLS - 1)
    await cancel(tasks)


async def test_rest_stops_every_caller(gate: EndpointLimiter, clock: Clock) -> None:
    gate.rate.rest(5)
    tasks = await queue(gate, 10)
    assert inside(tasks) == 0
    over(gate, clock, 5)
    await until(lambda: inside(tasks) > 0)
    await cancel(tasks)


async def test_longest_rest_counts(gate: EndpointLimiter, clock: Clock) -> None:
    gate.rate.rest(5)
    gate.rate.rest(1)
    tasks = await queue(gate, 1)
    over(gate, clock, 2)
    await asyncio.sleep(0)
    assert inside(tasks) == 0
    over(gate, clock, 3)
    await until(lambda: inside(tasks) == 1)


async def test_rest_too_long_to_wait_for_sends_all_away() -> None:
    gate = EndpointLimiter()
    number = await gate.enter(1)
    tasks = await queue(gate, 2, limit=1)
    assert gate.refused(number, 3600)
    gate.leave()
    with pytest.raises(LMRateLimitError) as caught:
        await gate.enter(1)
    assert caught.value.retry_after is not None
    assert 3590 < caught.value.retry_after <= 3600
    waited = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, LMRateLimitError) for one in waited)


async def test_alarm_opens_the_gate_by_itself() -> None:
    gate = EndpointLimiter()
    gate.rate.rest(0.001)
    async with asyncio.timeout(10):
        await gate.enter(1)


async def test_refusals_in_a_row_stop_every_caller(gate: EndpointLimiter) -> None:
    numbers = [await gate.enter(64) for _ in range(FIRST_CALLS)]
    shared = [gate.refused(number, 5) for number in numbers[:3]]
    assert shared[-1]
    assert gate.rate.resting == 5


async def test_a_refusal_among_many_answers_stops_nobody_else(gate: EndpointLimiter, clock: Clock) -> None:
    for _ in range(100):
        clock.time += 0.05
        await gate.enter(64)
        gate.answered()
        gate.leave()
    await gate.enter(64)
    assert not gate.refused(await gate.enter(64), 5)
    assert not gate.rate.wait()


async def test_the_only_caller_that_is_refused_stops_the_next(gate: EndpointLimiter) -> None:
    assert gate.refused(await gate.enter(64), 5)


async def test_an_endpoint_that_is_down_is_left_alone_and_who_waits_is_told(
    gate: EndpointLimiter, clock: Clock
) -> None:
    await gate.enter(1)
    waiting = await queue(gate, 2, limit=1)
    for _ in range(FAILURES):
        gate.failed()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, LMServerError) and one.retry_after for one in told)
    with pytest.raises(LMServerError, match="left alone"):
        await gate.enter(64)
    gate.leave()
    clock.time += 60
    await gate.enter(64)
    gate.answered()
    await gate.enter(64)


def test_limits_a_minute_come_to_a_pace_by_what_the_last_calls_used() -> None:
    gate = EndpointLimiter()
    assert gate.calls_per_second(None, None, 100) is None
    assert gate.calls_per_second(600, None, 100) == 10
    assert gate.calls_per_second(600, 30_000, 100) == 5
    gate.used(1000)
    assert gate.calls_per_second(600, 30_000, 100) == 0.5
