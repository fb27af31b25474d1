"""JSON schemas from the OpenAPI dialect of Google's ``Schema``: types in capitals, ``nullable``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex_practice.gemini.names import camel

_DEEPEST = 40


def from_openapi(schema: Any, depth: int = 0) -> dict[str, Any]:
    """`schema` in JSON schema's own words."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return {}
    found = camel(schema)
    if isinstance(found.get("type"), str):
        found["type"] = found["type"].lower()
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), Mapping):
            found[name] = from_openapi(found[name], depth + 1)
    if isinstance(found.get("properties"), Mapping):
        found["properties"] = {name: from_openapi(part, depth + 1) for name, part in found["properties"].items()}
    if isinstance(found.get("anyOf"), list):
        found["anyOf"] = [from_openapi(part, depth + 1) for part in found["anyOf"]]
    for name in ("minItems", "maxItems", "minLength", "maxLength"):  # 64-bit numbers are strings in Google's JSON
        if isinstance(found.get(name), str) and found[name].isdigit():
            found[name] = int(found[name])
    return {"anyOf": [found, {"type": "null"}]} if found.pop("nullable", False) is True else found
