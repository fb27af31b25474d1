"""One algorithm for `forward` and `aforward`.

A composite module writes its steps once, as a coroutine that takes an `Invoker`, which calls the module's parts and the
user's functions. `ASYNC` awaits them. `SYNC` runs them as synchronous code does, in the caller's own thread or
greenlet, so that the coroutine itself never waits and `run_steps` runs it to its end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from dspex.bridge import as_coroutine, finish_now, run_sync, wait_for

T = TypeVar("T")


class Invoker(Protocol):
    """Calls what a module's steps are made of."""

    async def call(self, part: Any, /, **inputs: Any) -> Any:
        """Call a module or a tool: its ``acall``, or itself.

        Args:
            part: The module or tool.
            **inputs: Its arguments.
        """
        ...

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Call a function that may be asynchronous, such as a user's.

        Args:
            function: The function.
            *args: Its arguments.
        """
        ...


class _Sync:
    async def call(self, part: Any, /, **inputs: Any) -> Any:
        return part(**inputs)

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        outcome = function(*args)
        return wait_for(as_coroutine(outcome)) if inspect.isawaitable(outcome) else outcome


class _Async:
    async def call(self, part: Any, /, **inputs: Any) -> Any:
        if hasattr(part, "acall"):
            return await part.acall(**inputs)
        return await run_sync(part, **inputs)

    async def run(self, function: Callable[..., Any], /, *args: Any) -> Any:
        outcome = await run_sync(function, *args)
        return await outcome if inspect.isawaitable(outcome) else outcome


SYNC: Invoker = _Sync()
ASYNC: Invoker = _Async()


def run_steps(steps: Coroutine[Any, Any, T]) -> T:
    """Run steps that call everything through `SYNC`, and return their result.

    Raises:
        RuntimeError: a step waited all the same.
    """
    return finish_now(steps, complaint="A step of a synchronous call waited: call it through the invoker SYNC.")
