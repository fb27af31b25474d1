"""Signatures as plain data, for runs that carry a signature to another host.

`describe` turns a signature into a JSON-able dict, `rebuild` turns that into an equal signature with the same prompts.
Only types that mean the same everywhere can travel: builtins, `typing`, and `Literal` of constants. A signature with
other types (pydantic models, enums, custom types) must be imported by the worker instead.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dspex.errors import UsageError
from dspex.signatures.field import ROLE, extra_of
from dspex.signatures.meta import SignatureMeta
from dspex.signatures.signature import Signature, make_signature
from dspex.signatures.type_names import KNOWN_TYPES, known_names, parse_type

_VERSION = 1
_NAMES_OF_TYPES = {id(type_): name for name, type_ in KNOWN_TYPES.items()}
_NAMES_OF_GENERICS = {
    **{id(typing.get_origin(type_)): name for name, type_ in KNOWN_TYPES.items() if typing.get_origin(type_)},
    **_NAMES_OF_TYPES,
}
_CONSTRAINTS = (
    "gt", "ge", "lt", "le", "min_length", "max_length", "multiple_of",
    "allow_inf_nan", "pattern", "strict", "max_digits", "decimal_places",
)  # fmt: skip
_FACTORIES: Mapping[str, Any] = {"list": list, "dict": dict, "set": set, "tuple": tuple, "str": str}


def describe(signature: SignatureMeta) -> dict[str, Any]:
    """`signature` as JSON-able data.

    Raises:
        UsageError: naming the field whose type or properties cannot be carried as data.
    """
    fields = [_describe_field(name, field) for name, field in signature.fields.items()]
    return {"version": _VERSION, "name": signature.__name__, "instructions": signature.instructions, "fields": fields}


def rebuild(description: Mapping[str, Any]) -> type[Signature]:
    """Rebuild the signature that `describe` described. Its names stand for builtins and typing; nothing is imported."""
    if description.get("version") != _VERSION:
        raise UsageError(
            f"This is not the description of a signature that dspex knows: version {description.get('version')!r}."
        )
    fields = {field["name"]: _rebuild_field(field) for field in description["fields"]}
    rebuilt = make_signature(fields, description["instructions"], signature_name=description["name"])
    rebuilt.instructions = description["instructions"]  # also when they are empty, which above means the default ones
    return rebuilt


def spell(type_: Any) -> str:
    """Write a type as text, such that `parse_type` gives the type back.

    Raises:
        UsageError: when the type is not one of builtins and `typing`.
    """
    if id(type_) in _NAMES_OF_TYPES:
        return _NAMES_OF_TYPES[id(type_)]
    if type_ is ...:
        return "..."
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Literal and all(value is None or type(value) in (str, int, bool, bytes) for value in arguments):
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is typing.Union or origin is types.UnionType:
        return f"Union[{', '.join(map(spell, arguments))}]"
    if id(origin) in _NAMES_OF_GENERICS and origin is not typing.Annotated and arguments:
        return f"{_NAMES_OF_GENERICS[id(origin)]}[{', '.join(map(spell, arguments))}]"
    raise UsageError(f"the type {type_!r} is neither a builtin nor of typing")


def _describe_field(name: str, field: FieldInfo) -> dict[str, Any]:
    try:
        described: dict[str, Any] = {"name": name, "role": extra_of(field)[ROLE], "type": spell(field.annotation)}
        described["constraints"] = _constraints(field)
        described["extra"] = {key: _jsonable(value) for key, value in extra_of(field).items() if key != ROLE}
        described.update(_default(field))
    except UsageError as error:
        raise UsageError(
            f"The signature cannot be carried as data because of its field {name!r}: {error}. "
            "Put the program into a module that the worker imports, and name it as 'module:attribute'."
        ) from None
    return described


def _rebuild_field(described: Mapping[str, Any]) -> tuple[Any, Any]:
    kwargs: dict[str, Any] = dict(described["constraints"])
    if "default" in described:
        kwargs["default"] = described["default"]
    if "default_factory" in described:
        kwargs["default_factory"] = _FACTORIES[described["default_factory"]]
    extra = {**described["extra"], ROLE: described["role"]}
    return parse_type(described["type"], known_names()), pydantic.Field(**kwargs, json_schema_extra=extra)


def _constraints(field: FieldInfo) -> dict[str, Any]:
    """The pydantic arguments that became metadata of the field."""
    found: dict[str, Any] = {}
    for constraint in field.metadata:
        named = {
            name: getattr(constraint, name) for name in _CONSTRAINTS if getattr(constraint, name, None) is not None
        }
        if not named:
            raise UsageError(f"its constraint {constraint!r} is not data")
        found.update((name, _jsonable(value)) for name, value in named.items())
    return found


def _default(field: FieldInfo) -> dict[str, Any]:
    if field.default_factory is not None:
        for name, factory in _FACTORIES.items():
            if field.default_factory is factory:
                return {"default_factory": name}
        raise UsageError(f"its default factory {field.default_factory!r} is not a builtin")
    return {} if field.default is PydanticUndefined else {"default": _jsonable(field.default)}


def _jsonable(value: Any) -> Any:
    try:
        same = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        same = None
    if same != value or type(same) is not type(value):
        raise UsageError(f"the value {value!r} is not JSON")
    return value
