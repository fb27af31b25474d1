"""Reach the parts of an object by paths such as ``gen.predict``, ``steps[0]`` and ``table['x'].ask``.

Only names, attributes and subscripts with constants are read; nothing is called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import reduce
from typing import Any

from dspex.errors import UsageError

Step = tuple[Any, bool]
"""An attribute's name, or a key and True."""

_RAISE = object()


def get(obj: Any, attr: str, *, default: Any = _RAISE) -> Any:
    """What lies at the path `attr`; `default`, if that is given, where nothing does."""
    try:
        return reduce(_follow, _steps(attr), obj)
    except Exception:
        if default is _RAISE:
            raise
        return default


def set(obj: Any, attr: str, val: Any) -> None:
    """Put `val` at the path `attr`."""
    owner, name, is_key = lookup(obj, attr)
    if is_key:
        owner[name] = val
    else:
        setattr(owner, name, val)


def delete(obj: Any, attr: str) -> None:
    """Take away what lies at the path `attr`."""
    owner, name, is_key = lookup(obj, attr)
    if is_key:
        del owner[name]
    else:
        delattr(owner, name)


def lookup(obj: Any, attr: str) -> tuple[Any, Any, bool]:
    """The object that holds the last part of the path `attr`, the name or key of that part, and whether it is a key."""
    *way, (name, is_key) = _steps(attr)
    return reduce(_follow, way, obj), name, is_key


def _follow(obj: Any, step: Step) -> Any:
    name, is_key = step
    return obj[name] if is_key else getattr(obj, name)


def _steps(path: str) -> list[Step]:
    if not isinstance(path, str):
        raise TypeError(f"A path is text such as 'steps[0].predict', not {path!r}.")
    try:
        tree = ast.parse(path, mode="eval").body
    except SyntaxError:
        raise _not_a_path(path) from None
    return list(_read(tree, path))


def _read(node: ast.expr, path: str) -> Iterator[Step]:
    match node:
        case ast.Name(id=name):
            yield name, False
        case ast.Attribute(value=owner, attr=name):
            yield from _read(owner, path)
            yield name, False
        case ast.Subscript(value=owner, slice=key):
            yield from _read(owner, path)
            try:
                yield ast.literal_eval(key), True
            except ValueError:
                raise _not_a_path(path) from None
        case _:
            raise _not_a_path(path)


def _not_a_path(path: str) -> UsageError:
    return UsageError(f"{path!r} is not the path of a part, such as 'gen.predict', 'steps[0]' or \"table['x']\".")
