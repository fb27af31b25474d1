"""Waiting for what other tasks, threads and processes do: a condition is polled, and nothing is timed."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

GIVE_UP_S = 60.0
"""Longer than anything takes on a busy machine: when it has passed, something is broken."""


def wait_until(
    condition: Callable[[], Any],
    what: str | Callable[[], object] = "the condition",
    *,
    seconds: float = GIVE_UP_S,
    every: float = 0.02,
) -> Any:
    """Poll until `condition` gives something true, and return that.

    Args:
        condition: Asked again and again. An exception that it raises ends the wait.
        what: What is waited for, or a function that says what there is instead: for the message.
        seconds: When to give up.
        every: Seconds between two looks.

    Raises:
        AssertionError: it did not come to that in time; the message has `what` and the last value.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_message(what, seconds, found))
        time.sleep(every)
    return found


async def until(
    condition: Callable[[], Any],
    what: str | Callable[[], object] = "the condition",
    *,
    seconds: float = GIVE_UP_S,
    every: float = 0.002,
) -> Any:
    """As `wait_until`, in a coroutine; other tasks run meanwhile. `condition` may be asynchronous.

    With ``every=0`` it only lets other tasks run, and no time passes.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(_message(what, seconds, found))
        await asyncio.sleep(every)


def _message(what: str | Callable[[], object], seconds: float, found: object) -> str:
    said = what if isinstance(what, str) else what()
    return f"Not within {seconds:.0f} s: {said} (last value: {found!r})"
