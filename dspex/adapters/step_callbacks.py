"""Callbacks are called for each `format` and `parse` of an adapter: once for each, whichever code calls it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from dspex.callback import Kind, notify_callbacks
from dspex.observability.callbacks import callbacks_for

F = TypeVar("F", bound=Callable[..., Any])

_in_progress: ContextVar[tuple[tuple[int, Kind], ...]] = ContextVar("dspex_adapter_steps", default=())


def with_step_callbacks(kind: Kind) -> Callable[[F], F]:
    """Decorate a step of an adapter so that callbacks are called at its start and end.

    A ``super()`` call inside an override belongs to the override's own step.

    Args:
        kind: What kind of call callbacks receive.
    """

    def decorate(step: F) -> F:
        @functools.wraps(step)
        def reported(self: Any, *args: Any, **kwargs: Any) -> Any:
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
                with notify_callbacks(kind, self, inputs, listeners) as call:
                    call.outputs = step(self, *args, **kwargs)
                    return call.outputs
            finally:
                _in_progress.reset(token)

        return cast("F", reported)

    return decorate
