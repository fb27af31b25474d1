"""Reading and writing through a path such as ``steps[0].by_kind['x'].demos``, without evaluating code."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple


class PathStep(NamedTuple):
    """One step of a path: an attribute's name, or the key of an item."""

    key: Any
    is_item: bool

    def take(self, obj: Any) -> Any:
        """Return the object that this step leads to from `obj`."""
        return obj[self.key] if self.is_item else getattr(obj, self.key)


def get(obj: Any, attr: str, **kwargs: Any) -> Any:
    """Return what is at a path of `obj`.

    Args:
        obj: Where the path begins.
        attr: The path, such as ``steps[0].predict``.
        **kwargs: `default`, to return where there is nothing.

    Raises:
        TypeError: `attr` is no text.
        SyntaxError, ValueError: it is no path, or calls a function.
        NotImplementedError: an item's key is not a plain constant.
        AttributeError, KeyError, IndexError: there is nothing there.
    """
    steps = _steps(attr)
    try:
        for step in steps:
            obj = step.take(obj)
    except Exception:
        if "default" in kwargs:
            return kwargs["default"]
        raise
    return obj


def set(obj: Any, attr: str, val: Any) -> None:
    """Put `val` at a path of `obj`.

    Args:
        obj: Where the path begins.
        attr: The path; everything but its last step must exist.
        val: The value.
    """
    owner, key, is_item = lookup(obj, attr)
    if is_item:
        owner[key] = val
    else:
        setattr(owner, key, val)


def delete(obj: Any, attr: str) -> None:
    """Remove what is at a path of `obj`.

    Args:
        obj: Where the path begins.
        attr: The path.
    """
    owner, key, is_item = lookup(obj, attr)
    if is_item:
        del owner[key]
    else:
        delattr(owner, key)


def lookup(obj: Any, attr: str) -> tuple[Any, Any, bool]:
    """Find the object that holds the last step of a path.

    Args:
        obj: Where the path begins.
        attr: The path.

    Returns:
        That object, the step's name or key, and whether it is an item's key (rather than an attribute's name).
    """
    *before, last = _steps(attr)
    for step in before:
        obj = step.take(obj)
    return obj, last.key, last.is_item


def _steps(path: str) -> list[PathStep]:
    if not isinstance(path, str):
        raise TypeError(f"A path is text such as 'steps[0].demos', not a {type(path).__name__}")
    body = ast.parse(path).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise ValueError(f"{path!r} is no path such as 'steps[0].demos'")
    steps: list[PathStep] = []
    node = body[0].value
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            steps.append(PathStep(node.attr, is_item=False))
        elif isinstance(node, ast.Subscript):
            steps.append(PathStep(_constant(node.slice), is_item=True))
        elif isinstance(node, ast.Call):
            raise ValueError(f"{path!r} calls a function, which a path cannot")
        else:
            raise NotImplementedError(f"{path!r} is more than attributes and items")
        node = node.value
    return [PathStep(node.id, is_item=False), *reversed(steps)]


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise NotImplementedError(f"An item's key in a path is a constant, not {ast.unparse(node)}") from None
