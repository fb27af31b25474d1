"""JSON schemas in the part of the language that Anthropic's structured outputs take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_KEPT = frozenset({"type", "title", "enum", "const", "required", "$ref"})
_PARTS = ("anyOf", "allOf")


def anthropic_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` as Anthropic enforces it, as Anthropic's SDK does: every object is closed.

    Bounds, lengths and patterns, which cannot be enforced, become part of the description that the model reads.
    """
    made: dict[str, Any] = {}
    unsupported: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _KEPT:
            made[word] = value
        elif word in ("properties", "$defs"):
            made[word] = {name: anthropic_schema(part) for name, part in value.items()}
        elif word in _PARTS or word == "oneOf":
            made["anyOf" if word == "oneOf" else word] = [anthropic_schema(part) for part in value]
        elif word == "items" and isinstance(value, Mapping):
            made[word] = anthropic_schema(value)
        elif (word == "format" and value in _FORMATS) or (word == "minItems" and value in (0, 1)):
            made[word] = value
        elif word not in ("description", "additionalProperties"):
            unsupported[word] = value
    if made.get("type") == "object":
        made["additionalProperties"] = False
    description = schema.get("description")
    if unsupported:
        words = "{" + ", ".join(f"{word}: {value}" for word, value in unsupported.items()) + "}"
        description = f"{description}\n\n{words}" if description else words
    if description:
        made["description"] = description
    return made
