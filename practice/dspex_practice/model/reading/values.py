"""Values of a JSON schema, in the parts of that standard that prompts use: checked, read from text, made up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, overload

import orjson

from dspex_practice.model.reading.schema import Schema, read_literal

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_DEEPEST = 12
_SHALLOW = 3
"""Below this depth only what a schema demands is made up, so that schemas that contain themselves come to an end."""
_MOST_PARTS = 2000
_LONGEST = 10_000
_LARGEST = 2**53
_KINDS = ("object", "array", "integer", "number", "boolean", "null")
_CHECKED = (
    *("$ref", "anyOf", "allOf", "enum", "const", "type", "properties", "required", "additionalProperties", "items"),
    *("minItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
)
"""The keywords that count. `fill` cannot keep to others, such as ``pattern``, so `fits` does not look at them."""


def kind(schema: Schema) -> str:
    """The JSON type that `schema` asks for; "string" where it does not say."""
    named = schema.get("type")
    if isinstance(named, list):
        named = next((each for each in named if each != "null"), "null")
    if isinstance(named, str):
        return named if named in _KINDS else "string"
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def choices(schema: Schema) -> list[Any] | None:
    """The values that `schema` allows, where it lists them."""
    if isinstance(schema.get("enum"), list):
        return [*schema["enum"]] or None
    return [schema["const"]] if "const" in schema else None


def resolve(schema: Any, root: Schema, *, briefly: bool = False) -> Schema:
    """`schema` with its ``$ref`` followed and one alternative taken: the first that is not null, or `briefly` null."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(schema.get("$ref"), str):
            schema = _follow(schema["$ref"], root)
        elif options := next((schema[k] for k in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(k), list)), None):
            real = [option for option in options if isinstance(option, Mapping) and option.get("type") != "null"]
            schema = real[0] if real and not (briefly and len(real) < len(options)) else {"type": "null"}
        else:
            return schema
    return {}


def fits(value: Any, schema: Any) -> bool:
    """Whether `value` is of `schema`, by the keywords in `_CHECKED`; anything is of a schema that is broken."""
    if not isinstance(schema, Mapping):
        return True
    if not _finite(value):
        return False
    try:
        return bool(_validator(orjson.dumps(schema)).is_valid(value))
    except Exception:  # noqa: BLE001 - schemas are the caller's, and the library fails on broken ones in many ways
        return True


@lru_cache(maxsize=512)  # a prompt's schemas come again with every query
def _validator(schema: bytes) -> Validator:
    from referencing import Registry

    parsed = orjson.loads(schema)
    typed = parsed.keys() & {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"}
    complete = parsed if typed else {**parsed, "type": kind(parsed)}
    return _validator_class()(complete, registry=Registry())  # an empty one: nothing is fetched from anywhere


@cache
def _validator_class() -> type[Validator]:
    """The library's validator, with `_CHECKED` alone; 3.0 is no integer, and several of ``oneOf`` may fit."""
    from jsonschema import Draft202012Validator, validators  # slow to import

    known = Draft202012Validator.VALIDATORS
    checks = {**{keyword: known[keyword] for keyword in _CHECKED}, "oneOf": known["anyOf"]}
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    made: type[Validator] = validators.create(Draft202012Validator.META_SCHEMA, checks, type_checker=types)
    return made


def _finite(value: Any) -> bool:
    """Whether JSON can hold all numbers in `value`."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list) else True


def parse(value: Any, schema: Schema) -> Any:
    """`value`, which may be text, as a value of `schema`; None if it is not one."""
    if fits(value, schema):
        return value
    if not isinstance(value, str):
        return str(value) if fits(str(value), schema) else None
    try:
        found = read_literal(value.strip())
    except ValueError:
        return None
    return found if fits(found, schema) else None


def fill(schema: Any, text: Callable[[], str]) -> Any:
    """A value of `schema`, as small as it allows below the top; `text` gives the next string to use."""
    return _ValueFiller(schema, text).value(schema, 0)


def in_range(schema: Schema, value: float) -> float | int:
    """The number nearest to `value` that a numeric `schema` allows."""
    whole = kind(schema) == "integer"
    step = 1 if whole else 1e-6
    low, high = _bound(schema.get("minimum")), _bound(schema.get("maximum"))
    if (edge := _bound(schema.get("exclusiveMinimum"))) is not None:
        low = edge + step
    if (edge := _bound(schema.get("exclusiveMaximum"))) is not None:
        high = edge - step
    value = min(value, _LARGEST if high is None else high)
    value = max(value, -_LARGEST if low is None else low)
    return round(value) if whole else value


class _ValueFiller:
    """One value being made up, within a limit of parts."""

    def __init__(self, root: Schema, text: Callable[[], str]) -> None:
        self._root = root
        self._text = text
        self._parts = 0

    def value(self, schema: Any, depth: int) -> Any:
        """A value of `schema`, which stands `depth` levels below the top."""
        schema = resolve(schema, self._root, briefly=depth >= _SHALLOW)
        allowed = choices(schema)
        if allowed is not None:
            return allowed[0]
        self._parts += 1
        spent = depth > _DEEPEST or self._parts > _MOST_PARTS
        wanted = kind(schema)
        if wanted == "object":
            return {} if spent else self._object(schema, depth)
        if wanted == "array":
            least = _whole(schema.get("minItems"), 0)
            count = 0 if spent else max(least, 1 if depth < _SHALLOW else 0)
            return [self.value(schema.get("items"), depth + 1) for _ in range(min(count, _MOST_PARTS - self._parts))]
        if wanted in ("integer", "number"):
            return in_range(schema, 0)
        if wanted == "boolean":
            return False
        return None if wanted == "null" else _sized(self._text(), schema)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties, required = _properties(schema)
        return {
            str(name): self.value(part, depth + 1)
            for name, part in properties.items()
            if depth < _SHALLOW or name in required
        }


def _properties(schema: Schema) -> tuple[Mapping[str, Any], list[Any]]:
    properties, required = schema.get("properties"), schema.get("required")
    return properties if isinstance(properties, Mapping) else {}, required if isinstance(required, list) else []


def _sized(text: str, schema: Schema) -> str:
    most = _whole(schema.get("maxLength"), None)
    return text[:most].ljust(min(_whole(schema.get("minLength"), 0), _LONGEST), ".")


def _follow(reference: str, root: Schema) -> Any:
    found: Any = root
    for step in filter(None, reference.lstrip("#").split("/")):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _bound(value: Any) -> float | None:
    """`value` if it is a number that answers can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST else None


@overload
def _whole(value: Any, default: int) -> int: ...
@overload
def _whole(value: Any, default: None) -> int | None: ...
def _whole(value: Any, default: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
