"""How an adapter calls an LM: `acall` on the event loop, or `__call__` where the LM's class overrides it.

As in DSPy, a synchronous call of an adapter is a synchronous call of the LM: a subclass that overrides `__call__`, or
a mock, is called in the caller's own thread and not on the engine's event loop, which it could block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from dspex.clients.canonical.prompt import Message

_called_in_place: ContextVar[Any] = ContextVar("dspex_lm_called_in_place", default=None)


def asks_in_place(lm: Any) -> bool:
    """Say whether the class of `lm` has a `__call__` that is not dspex's."""
    kind: Any = type(lm)
    return callable(lm) and _is_a_users(kind.__call__)


@lru_cache(maxsize=512)
def _is_a_users(call: Any) -> bool:
    return not str(getattr(call, "__module__", "")).startswith("dspex.")


@contextmanager
def in_place(lm: Any) -> Iterator[None]:
    """Inside the block `ask` calls `lm` synchronously, in the running thread."""
    token = _called_in_place.set(lm)
    try:
        yield
    finally:
        _called_in_place.reset(token)


def is_in_place(lm: Any) -> bool:
    """Say whether an `in_place` block for `lm` is open."""
    return _called_in_place.get() is lm


async def ask(lm: Any, messages: list[Message], lm_kwargs: dict[str, Any]) -> list[Any]:
    """Call `lm`.

    Args:
        lm: The LM.
        messages: The messages of the prompt.
        lm_kwargs: Request parameters.

    Returns:
        Its answers: texts, or dicts with ``text`` and what came beside it.
    """
    if _called_in_place.get() is lm:
        return lm(messages=messages, **lm_kwargs)  # type: ignore[no-any-return]
    return await lm.acall(messages=messages, **lm_kwargs)  # type: ignore[no-any-return]
