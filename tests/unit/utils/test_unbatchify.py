"""Items asked for one by one are worked on in batches."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dspex.bridge import run_sync
from dspex.utils.unbatchify import Unbatchify


def test_items_asked_for_at_once_are_one_batch() -> None:
    batches: list[list[int]] = []

    def double(items: list[int]) -> list[int]:
        batches.append(items)
        return [item * 2 for item in items]

    barrier = threading.Barrier(4)

    def ask(item: int) -> int:
        barrier.wait()
        return int(one(item))

    with Unbatchify(double, max_batch_size=4, max_wait_time=30) as one, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [0, 2, 4, 6]
    assert [sorted(batch) for batch in batches] == [[0, 1, 2, 3]]


async def test_programs_on_the_event_loop_share_a_batch() -> None:
    batches: list[list[int]] = []

    def same(items: list[int]) -> list[int]:
        batches.append(items)
        return items

    with Unbatchify(same, max_batch_size=3, max_wait_time=30) as one:
        assert await asyncio.gather(*(run_sync(one, item) for item in range(3))) == [0, 1, 2]
    assert [sorted(batch) for batch in batches] == [[0, 1, 2]]


def test_failure_is_that_of_each_item() -> None:
    def fail(items: list[int]) -> list[int]:
        raise KeyError("no")

    with Unbatchify(fail, max_wait_time=0) as one, pytest.raises(KeyError):
        one(1)


def test_batch_function_must_answer_all() -> None:
    with Unbatchify(lambda items: [], max_wait_time=0) as one, pytest.raises(ValueError, match="0 outputs for 1"):
        one(1)


def test_closed_one_refuses() -> None:
    one = Unbatchify(lambda items: items, max_wait_time=0)
    assert one(1) == 1
    one.close()
    one.close()
    assert not one.worker_thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        one(1)


def test_forgotten_one_ends_its_thread() -> None:
    one = Unbatchify(lambda items: items)
    thread = one.worker_thread
    del one
    thread.join(timeout=30)
    assert not thread.is_alive()
