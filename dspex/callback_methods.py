"""`with_callbacks`: call callbacks around a method, on user-defined classes as on those of dspex."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from dspex.callback import Kind, notify_callbacks
from dspex.observability.callbacks import callbacks_for

F = TypeVar("F", bound=Callable[..., Any])

_KINDS: tuple[tuple[str, str, Kind], ...] = (
    ("dspex.clients.base_lm", "BaseLM", "lm"),
    ("dspex.evaluate.evaluate", "Evaluate", "evaluate"),
    ("dspex.teleprompt.teleprompt", "Teleprompter", "compile"),
    ("dspex.adapters.types.tool", "Tool", "tool"),
)
"""The kind of call by class. A class whose module is not loaded yet has no instances."""

_ADAPTER: dict[str, Kind] = {"format": "adapter_format", "parse": "adapter_parse"}
_INTERPRETER: dict[str, Kind] = {
    "execute": "interpreter_execute",
    "invoke_tool": "interpreter_tool_call",
    "start": "interpreter_startup",
    "shutdown": "interpreter_shutdown",
}


def with_callbacks(fn: F) -> F:
    """Decorate a method, synchronous or ``async``, so that callbacks are called at its start and end.

    Those of ``dspex.configure(callbacks=...)`` come first, then those of the instance (its attribute `callbacks`). The
    kind of call follows from the class: methods of LMs, adapters (`format`, `parse`), tools, evaluators, optimizers
    and code interpreters have kinds of their own, and all others count as modules'.
    """
    signature = inspect.signature(fn)

    def inputs(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = signature.bind(instance, *args, **kwargs)
        bound.apply_defaults()
        return dict(list(bound.arguments.items())[1:])

    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def asynchronous(instance: Any, *args: Any, **kwargs: Any) -> Any:
            listeners = callbacks_for(instance)
            if not listeners:
                return await fn(instance, *args, **kwargs)
            with notify_callbacks(kind_of(instance, fn), instance, inputs(instance, args, kwargs), listeners) as call:
                call.outputs = await fn(instance, *args, **kwargs)
            return call.outputs

        return cast("F", asynchronous)

    @functools.wraps(fn)
    def synchronous(instance: Any, *args: Any, **kwargs: Any) -> Any:
        listeners = callbacks_for(instance)
        if not listeners:
            return fn(instance, *args, **kwargs)
        with notify_callbacks(kind_of(instance, fn), instance, inputs(instance, args, kwargs), listeners) as call:
            call.outputs = fn(instance, *args, **kwargs)
        return call.outputs

    return cast("F", synchronous)


def compile_with_callbacks(fn: F) -> F:
    """`with_callbacks` for an optimizer's `compile`: one call, also where it calls its base class's `compile`."""
    reported = with_callbacks(fn)

    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def asynchronous(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if id(instance) in _compiling.get():
                return await fn(instance, *args, **kwargs)
            token = _compiling.set((*_compiling.get(), id(instance)))
            try:
                return await reported(instance, *args, **kwargs)
            finally:
                _compiling.reset(token)

        return cast("F", asynchronous)

    @functools.wraps(fn)
    def synchronous(instance: Any, *args: Any, **kwargs: Any) -> Any:
        if id(instance) in _compiling.get():
            return fn(instance, *args, **kwargs)
        token = _compiling.set((*_compiling.get(), id(instance)))
        try:
            return reported(instance, *args, **kwargs)
        finally:
            _compiling.reset(token)

    return cast("F", synchronous)


_compiling: ContextVar[tuple[int, ...]] = ContextVar("dspex_compiling", default=())
"""The ids of the optimizers whose `compile` is running here."""


def kind_of(instance: Any, fn: Callable[..., Any]) -> Kind:
    """Return the kind of call that callbacks receive for a method.

    Args:
        instance: The module, LM, adapter, tool, ... that is called.
        fn: Its method.

    Raises:
        ValueError: `fn` is an adapter's method other than `format` and `parse`.
    """
    for module, name, kind in _KINDS:
        if _is(instance, module, name):
            return kind
    if _is(instance, "dspex.primitives.code_interpreter", "CodeInterpreter") and fn.__name__ in _INTERPRETER:
        return _INTERPRETER[fn.__name__]
    if _is(instance, "dspex.adapters.base", "Adapter"):
        if fn.__name__ not in _ADAPTER:
            raise ValueError(f"Callbacks know an adapter's format and parse, and not its {fn.__name__}.")
        return _ADAPTER[fn.__name__]
    return "module"


def _is(instance: Any, module: str, name: str) -> bool:
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(instance, cls)
