"""One algorithm for `forward` and `aforward`.

A composite module writes its steps once, as a coroutine that is told its `Way`: how its parts and the user's functions
are called. On the way `ASYNC` they are awaited. On the way `SYNC` they run as synchronous code does, in the caller's
own thread or greenlet, so that the coroutine never waits itself and `at_once` runs it to its end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from dspex.bridge import run_sync, wait_for

T = TypeVar("T")


class Way(Protocol):
    """How a module's steps call what they are made of."""

    async def call(self, part: Any, /, **inputs: Any) -> Any:
        """Call a module or a tool: its ``acall``, or itself."""
        ...

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Call a function of the user's, which may be asynchronous."""
        ...


class _Sync:
    async def call(self, part: Any, /, **inputs: Any) -> Any:
        return part(**inputs)

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        outcome = function(*args)
        return wait_for(_awaited(outcome)) if inspect.isawaitable(outcome) else outcome


class _Async:
    async def call(self, part: Any, /, **inputs: Any) -> Any:
        if hasattr(part, "acall"):
            return await part.acall(**inputs)
        return await run_sync(part, **inputs)

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        outcome = await run_sync(function, *args)
        return await outcome if inspect.isawaitable(outcome) else outcome


SYNC: Way = _Sync()
ASYNC: Way = _Async()


def at_once(steps: Coroutine[Any, Any, T]) -> T:
    """Run steps that are on the way `SYNC` to their end.

    Raises:
        RuntimeError: they waited all the same.
    """
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    steps.close()
    raise RuntimeError("A step of a synchronous call waited: call it through its way, SYNC.")


async def _awaited(thing: Any) -> Any:
    return await thing
