"""`asyncify` and `syncify`: synchronous programs awaited, asynchronous ones called."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import dspex
from dspex.utils.asyncify import get_async_max_workers, get_limiter
from dspex.utils.syncify import run_async


async def test_asyncified_program_runs_in_a_thread_with_the_callers_settings() -> None:
    def program(x: int, *, y: int) -> Any:
        return x + y, threading.current_thread() is threading.main_thread(), dspex.settings.max_errors

    with dspex.context(max_errors=5):
        assert await dspex.asyncify(program)(1, y=2) == (3, False, 5)


async def test_asyncified_programs_run_at_once_up_to_the_limit() -> None:
    together = threading.Barrier(3)
    at_once = dspex.asyncify(lambda: together.wait(10))
    with dspex.context(async_max_workers=3):
        assert sorted(await asyncio.gather(*(at_once() for _ in range(3)))) == [0, 1, 2]
        assert get_limiter().total_tokens == get_async_max_workers() == 3


def test_limiter_follows_the_setting() -> None:
    first = get_limiter()
    assert first.total_tokens == 8
    with dspex.context(async_max_workers=4):
        assert get_limiter() is first
        assert first.total_tokens == 4


async def test_asyncified_program_raises_its_own_exception() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await dspex.asyncify(fail)()


class Async(dspex.Module):
    async def aforward(self, x: int) -> int:
        await asyncio.sleep(0)
        return x + 1


def test_syncified_module_is_called_without_await() -> None:
    program = Async()
    assert dspex.syncify(program) is program
    assert program(x=1) == 2
    assert program.forward(x=1) == 2


def test_module_is_left_alone_if_not_in_place() -> None:
    program = Async()
    wrapped = dspex.syncify(program, in_place=False)
    assert wrapped(x=1) == 2
    assert wrapped.program is program
    assert "forward" not in vars(program)


async def test_syncified_module_can_be_called_where_a_loop_runs() -> None:
    assert dspex.syncify(Async())(x=1) == 2
    assert run_async(Async().aforward(x=2)) == 3
