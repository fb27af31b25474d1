"""Does a value fit a type hint? Hints are turned into functions once, so that a call costs little."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

Check = Callable[[Any], bool]


def check_for(hint: Any) -> Check | None:
    """Return a function that says whether a value fits `hint`; None where everything does.

    A list of strings fits `str` too, as it does in DSPy: adapters number its items.
    """
    if hint is Any:
        return None
    if hint is str:
        return _is_text
    return _check(hint)


def name_of(hint: Any) -> str:
    """Write `hint` as a user would."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is None:
        return str(getattr(hint, "__name__", hint))
    if origin in (Union, UnionType):
        return " | ".join("None" if arg is type(None) else name_of(arg) for arg in args)
    name = getattr(origin, "__name__", str(origin))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    inside = ", ".join("..." if arg is ... else name_of(arg) for arg in args)
    return f"{name}[{inside}]" if args else name


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _check(hint: Any) -> Check:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: True
    if origin in (Union, UnionType):
        return _any_of([_check(arg) for arg in args])
    if origin is Literal:
        return lambda value: value in args
    if origin in (list, set, frozenset) and args:
        return _items(origin, _check(args[0]))
    if origin is dict and args:
        return _mapping(_check(args[0]), _check(args[1]))
    if origin is tuple and args:
        return _tuple(args)
    expected = origin or hint
    if isinstance(expected, type):
        return lambda value: isinstance(value, expected)
    return lambda value: False


def _any_of(checks: list[Check]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _items(kind: type, check: Check) -> Check:
    return lambda value: isinstance(value, kind) and all(check(item) for item in value)  # type: ignore[attr-defined]


def _mapping(key: Check, item: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(key(k) and item(v) for k, v in value.items())


def _tuple(args: tuple[Any, ...]) -> Check:
    if len(args) == 2 and args[1] is Ellipsis:
        return _items(tuple, _check(args[0]))
    checks = [_check(arg) for arg in args]
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check(item) for check, item in zip(checks, value, strict=True))
    )
