"""The parts of a program by their paths: ``gen.predict``, ``steps[0]``, ``m['x']``, ``self``.

A path is a predictor's identity: it is the same in a copy, in a saved file and on another host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from dspex.errors import UsageError
from dspex.primitives.parameter import Parameter, ParameterHolder

Place = Callable[[Any], None]
"""Puts another object where a parameter was found."""


def parameters_of(module: ParameterHolder) -> Iterator[tuple[str, Parameter, Place]]:
    """Walk the parameters of `module`: each once, at its first path, with the place where it stands.

    Looks one level into lists, tuples and dictionaries; a submodule that was compiled is frozen and left out.
    """
    seen: set[int] = set()
    if isinstance(module, Parameter):
        seen.add(id(module))
        yield "self", module, _refuse_replacing_itself
    for name, value in list(module.__dict__.items()):
        if isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from _new(f"{name}[{index}]", item, _in_sequence(module, name, index), seen)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from _new(f"{name}['{key}']", item, _in_dict(value, key), seen)
        else:
            yield from _new(name, value, _attribute(module, name), seen)


def _new(path: str, value: Any, place: Place, seen: set[int]) -> Iterator[tuple[str, Parameter, Place]]:
    if isinstance(value, Parameter):
        found: Any = [(path, value, place)]
    elif isinstance(value, ParameterHolder) and not getattr(value, "_compiled", False):
        found = ((f"{path}.{inner}", parameter, where) for inner, parameter, where in parameters_of(value))
    else:
        return
    for full_path, parameter, where in found:
        if id(parameter) not in seen:
            seen.add(id(parameter))
            yield full_path, parameter, where


def sub_modules_of(module: ParameterHolder, type_: type | None, skip_compiled: bool) -> Iterator[tuple[str, Any]]:
    """Walk a module and all under it, breadth first, each once.

    Args:
        module: Where to begin.
        type_: The class to look for; by default any module.
        skip_compiled: Whether to leave out what is inside modules that an optimizer has finished.

    Yields:
        Paths, such as ``self.steps[0]``, and what is there.
    """
    wanted = ParameterHolder if type_ is None else type_
    queue: deque[tuple[str, Any]] = deque([("self", module)])
    seen = {id(module)}
    while queue:
        path, item = queue.popleft()
        if isinstance(item, wanted):
            yield path, item
        for inner_path, inner in _children(path, item, skip_compiled):
            if id(inner) not in seen:
                seen.add(id(inner))
                queue.append((inner_path, inner))


def _children(path: str, item: Any, skip_compiled: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(item, ParameterHolder):
        if not (skip_compiled and getattr(item, "_compiled", False)):
            yield from ((f"{path}.{name}", value) for name, value in item.__dict__.items())
    elif isinstance(item, list | tuple):
        yield from ((f"{path}[{index}]", value) for index, value in enumerate(item))
    elif isinstance(item, dict):
        yield from ((f"{path}[{key}]", value) for key, value in item.items())


def _attribute(owner: Any, name: str) -> Place:
    return lambda value: setattr(owner, name, value)


def _in_dict(owner: dict[Any, Any], key: Any) -> Place:
    return lambda value: owner.__setitem__(key, value)


def _in_sequence(owner: Any, name: str, index: int) -> Place:
    def place(value: Any) -> None:
        items = getattr(owner, name)
        setattr(owner, name, type(items)([*items[:index], value, *items[index + 1 :]]))

    return place


def _refuse_replacing_itself(value: Any) -> None:
    raise UsageError("A bare predictor cannot replace itself: use the new predictor instead of the old one.")
