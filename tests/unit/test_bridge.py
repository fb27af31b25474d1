"""Synchronous code on the event loop: by the thousand, isolated, with exceptions and cancellation as anywhere."""

import asyncio
import concurrent.futures
import threading
from contextvars import ContextVar

import pytest

from dspex.bridge import engine_loop, finish_now, in_sync_code, on_engine, run_sync, wait_for

who: ContextVar[int] = ContextVar("who", default=-1)


async def later(value: object) -> object:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("not there")


async def test_thousands_of_sync_functions_wait_at_once_on_one_thread() -> None:
    count = 5000
    barrier = asyncio.Event()
    waiting = 0

    async def meet() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == count:
            barrier.set()
        await barrier.wait()

    def work() -> int:
        wait_for(meet())
        return threading.get_ident()

    threads = await asyncio.gather(*(run_sync(work) for _ in range(count)))
    assert set(threads) == {threading.get_ident()}


async def test_context_variables_are_each_functions_own() -> None:
    def work(number: int) -> tuple[int, int]:
        who.set(number)
        wait_for(later(None))
        inside = wait_for(read())
        return inside, who.get()

    async def read() -> int:
        return who.get()

    numbers = range(200)
    seen = await asyncio.gather(*(asyncio.create_task(run_sync(work, number)) for number in numbers))
    assert seen == [(number, number) for number in numbers]
    assert who.get() == -1


async def test_sync_code_may_call_async_code_that_calls_sync_code() -> None:
    def inner(value: int) -> object:
        return wait_for(later(value + 1))

    async def middle(value: int) -> object:
        return await run_sync(inner, value + 1)

    def outer(value: int) -> object:
        return wait_for(middle(value + 1))

    assert await run_sync(outer, 1) == 4


async def test_exceptions_cross_in_both_directions() -> None:
    def catches() -> str:
        try:
            wait_for(fail())
        except LookupError as error:
            return f"caught {error}"
        return "missed"

    assert await run_sync(catches) == "caught not there"
    with pytest.raises(LookupError, match="not there"):
        await run_sync(lambda: wait_for(fail()))


async def test_cancellation_reaches_the_sync_code_and_its_cleanup() -> None:
    started, seen = asyncio.Event(), []

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    def work() -> None:
        try:
            wait_for(forever())
        except asyncio.CancelledError:
            seen.append(wait_for(later("cleaned up")))
            raise

    task = asyncio.create_task(run_sync(work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cleaned up"]


async def test_a_timeout_is_a_timeout_for_sync_code_too() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await run_sync(lambda: wait_for(asyncio.Event().wait()))


def test_outside_the_loop_wait_for_uses_the_engine() -> None:
    assert wait_for(later(3)) == 3
    assert not in_sync_code()
    with pytest.raises(LookupError):
        wait_for(fail())


def test_threads_share_one_engine() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loops: list[object] = []
    threads = [threading.Thread(target=lambda: loops.append(wait_for(loop()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(loops) == {engine_loop()}


def test_the_engine_sees_the_callers_context() -> None:
    async def read() -> int:
        return who.get()

    token = who.set(7)
    try:
        assert wait_for(read()) == 7
    finally:
        who.reset(token)


def test_blocking_the_engine_itself_is_refused() -> None:
    async def blocks() -> object:
        return wait_for(later(1))

    with pytest.raises(RuntimeError, match="acall"):
        wait_for(blocks())


async def test_cancelling_what_runs_on_the_engine_cancels_it() -> None:
    started, ended = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = on_engine(work())
    await asyncio.to_thread(started.wait)
    future.cancel()
    assert await asyncio.to_thread(ended.wait, 30)


def test_a_wait_that_is_broken_off_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    started, ended = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupted(self: object, timeout: float | None = None) -> object:
        started.wait()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(concurrent.futures.Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            wait_for(work())
    assert ended.wait(30)


def test_finish_now_runs_what_never_waits() -> None:
    async def answer() -> int:
        return 42

    assert finish_now(answer()) == 42
    with pytest.raises(RuntimeError, match="in_memory"):
        finish_now(later(1))
    with pytest.raises(LookupError):
        finish_now(raises())


async def raises() -> None:
    raise LookupError


async def test_finish_now_works_through_run_sync() -> None:
    assert finish_now(run_sync(lambda: 5)) == 5


async def test_synchronous_code_may_run_a_loop_of_its_own() -> None:
    """As a user's metric does that calls ``asyncio.run``; and synchronous code inside that loop may wait too."""

    async def answer(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def inner() -> int:
        return await answer(1) + wait_for(answer(2)) + await run_sync(lambda: wait_for(answer(3)))

    def metric() -> int:
        return asyncio.run(inner()) + wait_for(answer(4))

    loop = asyncio.get_running_loop()
    assert await asyncio.gather(run_sync(metric), run_sync(metric)) == [10, 10]
    assert asyncio.get_running_loop() is loop


async def test_synchronous_code_sees_no_running_loop() -> None:
    def look() -> None:
        asyncio.get_running_loop()

    with pytest.raises(RuntimeError, match="no running event loop"):
        await run_sync(look)
