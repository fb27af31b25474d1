import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from dspex.execution.pool import run_concurrently

which: ContextVar[int] = ContextVar("which", default=-1)


async def answer(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def test_every_job_gives_its_result_once() -> None:
    jobs = [partial(answer, number) for number in range(100)]
    assert sorted([result async for result in run_concurrently(jobs, 7)]) == list(range(100))
    assert [result async for result in run_concurrently([], 7)] == []


async def test_no_more_than_the_limit_are_started_ahead_of_the_consumer() -> None:
    taken = 0
    running = most = 0

    def jobs() -> Iterator[Callable[[], Coroutine[Any, Any, int]]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield partial(count, number)

    async def count(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    done = 0
    async for _ in run_concurrently(jobs(), 5):
        done += 1
        assert taken <= done + 5
    assert (done, most) == (1000, 5)


async def test_a_straggler_holds_up_nobody() -> None:
    released = asyncio.Event()

    async def straggle() -> int:
        await released.wait()
        return -1

    order = []
    async for result in run_concurrently([straggle, *(partial(answer, number) for number in range(50))], 2):
        order.append(result)
        if len(order) == 50:
            released.set()
    assert order == [*range(50), -1]


@pytest.mark.parametrize("leave", ["by error", "by break"])
async def test_leaving_cancels_what_is_in_flight_and_waits_for_it(leave: str) -> None:
    cleaned = []

    async def hang(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)
        return number

    async def leaves() -> int:
        if leave == "by error":
            raise LookupError
        return 0

    jobs = [partial(hang, 1), partial(hang, 2), leaves]
    try:
        async with aclosing(run_concurrently(jobs, 3)) as results:
            async for _ in results:
                break
    except LookupError:
        assert leave == "by error"
    assert sorted(cleaned) == [1, 2]


async def test_jobs_do_not_see_one_anothers_context() -> None:
    async def mark(number: int) -> tuple[int, int]:
        before = which.get()
        which.set(number)
        await asyncio.sleep(0)
        return before, which.get() - number

    assert {seen async for seen in run_concurrently([partial(mark, number) for number in range(20)], 4)} == {(-1, 0)}
