"""From the text of a type to the type, without evaluating the text.

The text is parsed into a syntax tree and only the shapes that types have are understood: names, dotted names,
subscripts, ``|``, and constants inside ``Literal``. A bare name is looked up in the caller's own `custom_types`, typing
and builtins, the variables of the calling code, and importable modules.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from pydantic import Field

from dspex.errors import UsageError

_BUILTINS = (int, str, float, bool, list, tuple, dict, set, frozenset, complex, bytes, bytearray, object)
KNOWN_TYPES: Mapping[str, Any] = {
    **{name: getattr(typing, name) for name in typing.__all__},
    **{kind.__name__: kind for kind in _BUILTINS},
    "NoneType": types.NoneType,
    "typing": typing,
}
_MAX_FRAMES = 100
# Frames of the code that builds signatures: their variables are not the caller's.
_OWN_MODULES = ("dspex.signatures", "pydantic.")


class TypeSyntaxError(UsageError):
    """A text is not the text of a type."""


Names = Callable[[str], Any]
"""Gives what a bare name stands for; raises `KeyError` when it stands for nothing."""


def parse_type(text: str, names: Names) -> Any:
    """Read a type that is written as text, such as ``list[str] | None``. No code is run.

    Args:
        text: The type as text.
        names: Looks up a name in it; raises KeyError for one that it does not know.

    Raises:
        UsageError: `text` does not spell a type, or a name in it is unknown.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise TypeSyntaxError(f"{text.strip()!r} is not the text of a type ({error.msg}).") from None
    try:
        return _Reader(names).type(tree)
    except (TypeError, RecursionError) as error:
        raise UsageError(f"{text.strip()!r} is not a type: {error}") from None


def known_names(custom_types: Mapping[str, Any] | None = None) -> Names:
    """Make a look-up that knows the names of builtins, typing and `custom_types` alone."""

    def look_up(name: str) -> Any:
        return custom_types[name] if custom_types and name in custom_types else KNOWN_TYPES[name]

    return look_up


def names_in_reach(custom_types: Mapping[str, Any] | None = None, *, modules: bool = True) -> Names:
    """Make a look-up for the names of types in a signature text.

    It asks `known_names`, then the variables of the calling code (at most 100 frames up), then importable modules.

    Args:
        custom_types: Types by name, which win over all others.
        modules: Whether to look for modules, too.
    """
    known = known_names(custom_types)

    def look_up(name: str) -> Any:
        try:
            return known(name)
        except KeyError:
            pass
        for variables in _callers_variables():
            if name in variables and (is_type(variables[name]) or isinstance(variables[name], types.ModuleType)):
                return variables[name]
        if modules:
            return _module(name)
        raise KeyError(name)

    return look_up


def is_type(value: Any) -> bool:
    """Say whether `value` can annotate a field."""
    return isinstance(value, type | typing.TypeVar | types.UnionType | types.GenericAlias) or (
        typing.get_origin(value) is not None or any(value is form for form in _SPECIAL_FORMS)
    )


_SPECIAL_FORMS = [form for form in map(vars(typing).get, typing.__all__) if type(form).__module__ == "typing"]


def _callers_variables() -> Iterator[Mapping[str, Any]]:
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        if not str(frame.f_globals.get("__name__", "")).startswith(_OWN_MODULES):
            yield frame.f_locals
            yield frame.f_globals
        frame = frame.f_back


def _module(name: str) -> Any:
    if name in vars(builtins):
        raise KeyError(name)
    if name == "dspy":  # a text that came with a program of DSPy's, as in "photo: dspy.Image -> caption"
        name = "dspex"
    try:
        return importlib.import_module(name)
    except ImportError:
        raise KeyError(name) from None


class _Reader:
    """Reads types off a syntax tree."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def type(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=base, attr=attribute):
                return self._attribute(base, attribute)
            case ast.Subscript(value=base, slice=argument):
                return self._subscript(self.type(base), argument)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return typing.Union[self.type(left), self.type(right)]  # noqa: UP007
            case ast.Constant(value=None):
                return types.NoneType
            case ast.Constant(value=value) if value is ...:
                return ...
            case ast.Constant(value=str(text)):
                return parse_type(text, self.names)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return [self.type(element) for element in elements]
        raise UsageError(
            f"Failed to parse string-base Signature: {ast.unparse(node)!r} cannot be part of a type. "
            "Please consider using class-based DSPy Signatures instead."
        )

    def _named(self, name: str) -> Any:
        try:
            return self.names(name)
        except KeyError:
            raise UsageError(
                f"Unknown name: {name}. Import it where the signature is written, or pass it with "
                f"custom_types={{{name!r}: ...}}."
            ) from None

    def _attribute(self, base: ast.expr, attribute: str) -> Any:
        owner = self.type(base)
        try:
            return getattr(owner, attribute)
        except AttributeError:
            raise UsageError(f"Unknown attribute: {attribute} on {ast.unparse(base)}.") from None

    def _subscript(self, generic: Any, argument: ast.expr) -> Any:
        parts = argument.elts if isinstance(argument, ast.Tuple) else [argument]
        if generic is typing.Literal:
            return typing.Literal[tuple(self._value(part) for part in parts)]
        if generic is typing.Annotated:
            return typing.Annotated[(self.type(parts[0]), *(self._metadata(part) for part in parts[1:]))]
        if generic is typing.Optional and len(parts) != 1:
            raise UsageError("Optional must have exactly one type argument.")
        arguments = tuple(self.type(part) for part in parts)
        return generic[arguments[0] if len(arguments) == 1 else arguments]

    def _value(self, node: ast.expr) -> Any:
        """A constant inside ``Literal[...]``, or an enum member by its dotted name."""
        if isinstance(node, ast.Attribute):
            return self.type(node)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            raise UsageError(f"{ast.unparse(node)!r} cannot be a value of a Literal.") from None

    def _metadata(self, node: ast.expr) -> Any:
        """What follows the type in ``Annotated[type, Field(ge=1)]``."""
        match node:
            case ast.Call(func=ast.Name(id="Field"), args=[], keywords=keywords):
                return Field(**{word.arg: self._value(word.value) for word in keywords if word.arg})
        return self._value(node)
