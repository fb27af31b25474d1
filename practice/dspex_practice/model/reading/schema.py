"""Types of output fields, as JSON schemas, read from the ways in which prompts write them."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
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
    ("minimum", re.compile(r"greater than or equal to: (-?\d{1,15}(?:\.\d{1,9})?)")),
    ("exclusiveMinimum", re.compile(r"greater than: (-?\d{1,15}(?:\.\d{1,9})?)")),
    ("maximum", re.compile(r"less than or equal to: (-?\d{1,15}(?:\.\d{1,9})?)")),
    ("exclusiveMaximum", re.compile(r"less than: (-?\d{1,15}(?:\.\d{1,9})?)")),
    ("minLength", re.compile(r"minimum length: (\d{1,9})")),
    ("maxLength", re.compile(r"maximum length: (\d{1,9})")),
)


_DEEPEST = 12


def from_type_name(name: str, depth: int = 0) -> Schema | None:
    """The schema of a Python type as prompts write it (``Literal['a', 'b']``); None where it names a class."""
    name = name.strip()
    if name in _SIMPLE:
        return _SIMPLE[name]
    head, bracket, rest = name.partition("[")
    if not bracket or not rest.endswith("]") or depth > _DEEPEST:
        return None
    inner = rest[:-1]
    if head == "Literal":
        return _literal(inner)
    parts = [from_type_name(part, depth + 1) or {} for part in _split_arguments(inner)]
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


def read_literal(text: str) -> Any:
    """The value that `text` writes in JSON or as a Python literal, as JSON has it.

    Raises:
        ValueError: if it writes none.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in text that is no literal
            found = ast.literal_eval(text)
        return orjson.loads(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("not a literal") from error


def _literal(inner: str) -> Schema | None:
    try:
        values = read_literal(f"[{inner}]")
    except ValueError:
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


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value
