"""Callbacks hear of each `format` and `parse` of an adapter, whoever calls it, and of each once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from dspex.callback import Kind, announced, callbacks_for

F = TypeVar("F", bound=Callable[..., Any])

_in_progress: ContextVar[tuple[tuple[int, Kind], ...]] = ContextVar("dspex_adapter_steps", default=())


def announcing(kind: Kind) -> Callable[[F], F]:
    """Make a method tell callbacks of its calls. The ``super()`` call inside an override is a part of it."""

    def decorate(step: F) -> F:
        @functools.wraps(step)
        def told(self: Any, *args: Any, **kwargs: Any) -> Any:
            listeners = callbacks_for(self)
            if not listeners:
                return step(self, *args, **kwargs)
            outer, mine = _in_progress.get(), (id(self), kind)
            if mine in outer:
                return step(self, *args, **kwargs)
            inputs = dict(inspect.signature(step).bind(self, *args, **kwargs).arguments)
            del inputs[next(iter(inputs))]
            token = _in_progress.set((*outer, mine))
            try:
                with announced(kind, self, inputs, listeners) as call:
                    call.outputs = step(self, *args, **kwargs)
                    return call.outputs
            finally:
                _in_progress.reset(token)

        return cast("F", told)

    return decorate
