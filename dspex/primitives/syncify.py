"""`syncify`: an asynchronous program for synchronous code."""

from __future__ import annotations

from collections.abc import Coroutine
from types import MethodType
from typing import Any, TypeVar

from dspex.bridge import wait_for
from dspex.primitives.module import Module

T = TypeVar("T")


def syncify(program: Any, in_place: bool = True) -> Any:
    """Give a module with an asynchronous `aforward` a synchronous `forward`, and return it.

    (A module with `aforward` alone can be called synchronously as it is; this is for one that has a `forward` too, or
    for code that calls `forward` itself.) With ``in_place=False`` the module is left alone, and a module around it is
    returned, whose `program` it is.

    Args:
        program: A module with an `aforward`.
        in_place: Whether to change `program` itself.
    """
    if not in_place:
        return _wrapped(program)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run_async(self.aforward(*args, **kwargs))

    program.forward = MethodType(forward, program)
    return program


def run_async(coro: Coroutine[Any, Any, T]) -> T:
    """Await `coro` from synchronous code, also where an event loop runs (a notebook, say), and return its result."""
    return wait_for(coro)


def _wrapped(program: Any) -> Any:
    class SyncWrapper(Module):
        """A synchronous face of an asynchronous program."""

        def __init__(self, program: Any) -> None:
            super().__init__()
            self.program = program

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return run_async(self.program.aforward(*args, **kwargs))

    return SyncWrapper(program)
