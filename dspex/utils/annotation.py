"""`experimental`: says in an API's docstring that it may change."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
def experimental(f: T, version: str | None = None) -> T: ...


@overload
def experimental(f: None = None, version: str | None = None) -> Callable[[T], T]: ...


def experimental(f: Any = None, version: str | None = None) -> Any:
    """Mark an API as experimental. Also as a decorator: ``@experimental(version="3.0")``.

    Args:
        f: The function, class or property. The note goes before its docstring, or after that of a property.
        version: The version that brought it.
    """
    if f is None:
        return lambda api: experimental(api, version)
    note = _note(f, version)
    if not f.__doc__:
        f.__doc__ = note
    elif isinstance(f, property):
        f.__doc__ = f"{f.__doc__}\n\n{note}"
    else:
        f.__doc__ = f"{note}\n\n{f.__doc__}"
    return f


def _note(api: Any, version: str | None) -> str:
    since = f" (introduced in v{version})" if version else ""
    note = f"Experimental: This {_kind(api)} may change or be removed in a future release without warning{since}."
    return _indent(api.__doc__ or "") + note


def _kind(api: Any) -> str:
    if inspect.isclass(api):
        return "class"
    if inspect.isfunction(api):
        return "function"
    if isinstance(api, property):
        return "property"
    return "method" if isinstance(api, types.MethodType) else str(type(api))


def _indent(doc: str) -> str:
    """That of the line with the closing quotes; none for a docstring of one line."""
    *before, last = doc.split("\n")
    return last[: len(last) - len(last.lstrip())] if before else ""
