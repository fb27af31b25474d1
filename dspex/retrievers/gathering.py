"""Queries that come at the same time are answered together: what embeds them is then called once for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from dspex.per_loop import PerLoop

_MOST = 32


class Gathering:
    """Calls `answer_all`, a function from a list of queries to a list of answers, in a thread.

    It waits for no more queries than are there already, so that a query alone costs no time.
    """

    def __init__(self, answer_all: Callable[[list[str]], Sequence[Any]]) -> None:
        self._answer_all = answer_all
        self._waiting: PerLoop[list[tuple[str, asyncio.Future[Any]]]] = PerLoop(list)
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, query: str) -> Any:
        """Return the answer to `query`."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get()
        answer: asyncio.Future[Any] = loop.create_future()
        waiting.append((query, answer))
        if len(waiting) == 1:
            loop.call_soon(self._start)
        return await answer

    def _start(self) -> None:
        waiting = self._waiting.get()
        asked = waiting[:]
        waiting.clear()
        for first in range(0, len(asked), _MOST):
            task = asyncio.ensure_future(self._answer(asked[first : first + _MOST]))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _answer(self, asked: list[tuple[str, asyncio.Future[Any]]]) -> None:
        try:
            answers = await asyncio.to_thread(self._answer_all, [query for query, _ in asked])
            if len(answers) != len(asked):
                raise ValueError(f"{len(asked)} queries were asked together, and {len(answers)} answered.")
        except Exception as error:  # noqa: BLE001 - raised where the queries were asked
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():  # the caller may have been cancelled
                future.set_result(answer)
