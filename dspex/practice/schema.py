"""Types of output fields, as JSON schemas: read from prompts, checked, and filled with a value that fits."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

Schema = Mapping[str, Any]
STRING: Schema = {"type": "string"}

_SIMPLE: dict[str, Schema] = {
    "str": STRING,
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "dict": {"type": "object"},
    "list": {"type": "array"},
    "NoneType": {"type": "null"},
    "None": {"type": "null"},
}
_CHOICES = re.compile(r"must (?:exactly match \(no extra characters\) |be )one of: (.*)", re.DOTALL)
_BOUNDS = (
    ("minimum", re.compile(r"greater than or equal to: (-?[\d.]+)")),
    ("exclusiveMinimum", re.compile(r"greater than: (-?[\d.]+)")),
    ("maximum", re.compile(r"less than or equal to: (-?[\d.]+)")),
    ("exclusiveMaximum", re.compile(r"less than: (-?[\d.]+)")),
    ("minLength", re.compile(r"minimum length: (\d+)")),
    ("maxLength", re.compile(r"maximum length: (\d+)")),
)
_DEPTH = 12


def from_type_name(name: str) -> Schema | None:
    """The schema of a Python type as prompts write it (``Literal['a', 'b']``); None where it names a class."""
    name = name.strip()
    if name in _SIMPLE:
        return _SIMPLE[name]
    head, bracket, rest = name.partition("[")
    if not bracket or not rest.endswith("]"):
        return None
    inner = rest[:-1]
    if head == "Literal":
        return _literal(inner)
    parts = [from_type_name(part) or {} for part in _split_arguments(inner)]
    if head in ("Union", "Optional"):
        return {"anyOf": parts + ([{"type": "null"}] if head == "Optional" else [])}
    if head in ("list", "List", "set", "tuple", "Sequence"):
        return {"type": "array", "items": parts[0] if parts else {}}
    if head in ("dict", "Dict", "Mapping"):
        return {"type": "object", "additionalProperties": parts[1] if len(parts) > 1 else {}}
    return None


def from_note(note: str) -> Schema | None:
    """The schema that a note such as "must be a single int value" asks for."""
    choices = _CHOICES.search(note)
    if choices:
        return {"enum": [choice.strip() for choice in choices[1].split(";") if choice.strip()] or [""]}
    if "must adhere to the JSON schema:" in note:
        return _embedded(note.split("JSON schema:", 1)[1].strip())
    if "must be True or False" in note:
        return {"type": "boolean"}
    if "single int value" in note:
        return {"type": "integer"}
    if "single float value" in note:
        return {"type": "number"}
    return None


def bounds(constraints: str) -> dict[str, float]:
    """The limits in a line such as "Constraints: greater than or equal to: 1"."""
    found = ((key, pattern.search(constraints)) for key, pattern in _BOUNDS)
    return {key: _number(match[1]) for key, match in found if match}


def choices(schema: Schema) -> list[Any] | None:
    """The values that `schema` allows, where it lists them."""
    if isinstance(schema.get("enum"), list):
        return [*schema["enum"]] or None
    return [schema["const"]] if "const" in schema else None


def resolve(schema: Any, root: Schema) -> Schema:
    """`schema` with its ``$ref`` followed and, of alternatives, the first that is not null."""
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(schema.get("$ref"), str):
            schema = _follow(schema["$ref"], root)
        elif options := next((schema[k] for k in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(k), list)), None):
            real = [o for o in options if isinstance(o, Mapping) and o.get("type") != "null"]
            schema = real[0] if real else {"type": "null"}
        else:
            return schema
    return {}


def fits(value: Any, schema: Any, root: Schema | None = None, depth: int = 0) -> bool:
    """Whether `value` is of `schema`, in the parts of JSON Schema that prompts use."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return True
    if isinstance(schema.get("$ref"), str):
        return fits(value, _follow(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return any(fits(value, option, root, depth + 1) for option in schema[key])
    allowed = choices(schema)
    if allowed is not None:
        return value in allowed
    return _fits_kind(value, schema, root, depth)


def fill(schema: Any, text: Callable[[], str], root: Schema | None = None, depth: int = 0) -> Any:
    """A value that fits `schema`; `text` gives the next string to use."""
    root = schema if root is None else root
    schema = resolve(schema, root)
    allowed = choices(schema)
    if allowed is not None:
        return allowed[0]
    kind = _kind(schema)
    if kind == "object":
        return _fill_object(schema, text, root, depth)
    if kind == "array":
        count = 1 if depth < _DEPTH else 0
        count = max(count, min(_whole(schema.get("minItems"), 0), 64))
        return [fill(schema.get("items"), text, root, depth + 1) for _ in range(count)] if depth < _DEPTH else []
    if kind in ("integer", "number"):
        return _in_range(schema, 0, whole=kind == "integer")
    if kind == "boolean":
        return False
    return None if kind == "null" else _sized(text(), schema)


def parse(value: Any, schema: Schema) -> Any:
    """`value`, which may be text, as a value of `schema`; None if it is not one."""
    if fits(value, schema):
        return value
    if not isinstance(value, str):
        return str(value) if fits(str(value), schema) else None
    for read in (orjson.loads, ast.literal_eval):
        try:
            found = read(value.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if fits(found, schema):
            return found
    return None


def in_range(schema: Schema, value: float) -> float | int:
    """The number nearest to `value` that a numeric `schema` allows."""
    return _in_range(schema, value, whole=_kind(schema) == "integer")


def _fits_kind(value: Any, schema: Schema, root: Schema, depth: int) -> bool:
    kind = _kind(schema)
    if kind == "object":
        required = schema.get("required")
        named = schema.get("properties")
        properties = named if isinstance(named, Mapping) else {}
        return (
            isinstance(value, dict)
            and all(name in value for name in (required if isinstance(required, list) else ()))
            and all(
                fits(v, properties.get(k, schema.get("additionalProperties")), root, depth + 1)
                for k, v in value.items()
            )
        )
    if kind == "array":
        return (
            isinstance(value, list)
            and len(value) >= _whole(schema.get("minItems"), 0)
            and all(fits(item, schema.get("items"), root, depth + 1) for item in value)
        )
    if kind in ("integer", "number"):
        numeric = isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
        return numeric and _in_range(schema, value, whole=kind == "integer") == value
    if kind == "string":
        return isinstance(value, str) and _whole(schema.get("minLength"), 0) <= len(value) <= _whole(
            schema.get("maxLength"), 1 << 40
        )
    return isinstance(value, bool) if kind == "boolean" else value is None


def _fill_object(schema: Schema, text: Callable[[], str], root: Schema, depth: int) -> dict[str, Any]:
    named = schema.get("properties")
    if not isinstance(named, Mapping) or depth >= _DEPTH:
        return {}
    return {str(name): fill(part, text, root, depth + 1) for name, part in named.items()}


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind if kind in ("object", "array", "integer", "number", "boolean", "null") else "string"
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _in_range(schema: Schema, value: float, *, whole: bool) -> float | int:
    step = 1 if whole else 1e-6
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(edge := schema.get("exclusiveMinimum"), int | float):
        low = edge + step
    if isinstance(edge := schema.get("exclusiveMaximum"), int | float):
        high = edge - step
    if isinstance(high, int | float):
        value = min(value, high)
    if isinstance(low, int | float):
        value = max(value, low)
    return round(value) if whole else value


def _sized(text: str, schema: Schema) -> str:
    text = text[: _whole(schema.get("maxLength"), 1 << 40)]
    return text.ljust(min(_whole(schema.get("minLength"), 0), 10_000), ".")


def _literal(inner: str) -> Schema | None:
    try:
        values = ast.literal_eval(f"[{inner}]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return {"enum": values} if values else None


def _split_arguments(inner: str) -> Sequence[str]:
    parts, depth, start = [], 0, 0
    for i, char in enumerate(inner):
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append(inner[start:i])
            start = i + 1
    return [*parts, inner[start:]]


def _embedded(text: str) -> Schema | None:
    end = text.rfind("}") + 1
    try:
        schema = orjson.loads(text[:end])
    except orjson.JSONDecodeError:
        return None
    return schema if isinstance(schema, dict) else None


def _follow(reference: str, root: Schema) -> Any:
    found: Any = root
    for step in reference.lstrip("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _number(text: str) -> float:
    value = float(text.rstrip("."))
    return int(value) if value.is_integer() else value
