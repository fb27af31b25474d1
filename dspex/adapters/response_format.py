"""The JSON schema of a signature's outputs, in the strict form that providers' structured outputs take."""

from __future__ import annotations

import copy
from typing import Any

import pydantic

_NAME = "DSPyProgramOutputs"
# Words that strict schemas do not know and that say nothing which a parser would not check.
_LEFT_OUT = ("default", "uniqueItems")


def response_model(signature: Any) -> type[pydantic.BaseModel] | None:
    """Make the class to send as `response_format`; None where a strict schema cannot express the outputs.

    That is so for open mappings (``dict[str, int]``), `Any` and fixed-length tuples. The class's own
    `model_json_schema` gives the strict form.
    """
    outputs = signature.output_fields.items()
    fields: dict[str, Any] = {name: (field.annotation, field.default) for name, field in outputs}
    try:
        model = pydantic.create_model(_NAME, __config__=pydantic.ConfigDict(extra="forbid"), **fields)
        schema = _strict(model.model_json_schema())
    except (pydantic.errors.PydanticUserError, _NotStrict):
        return None
    model.model_json_schema = lambda *_, **__: copy.deepcopy(schema)  # type: ignore[method-assign]
    return model


class _NotStrict(Exception):
    """A part of the schema has no strict form."""


def _strict(schema: Any) -> Any:
    """`schema` with every object closed and all of its properties required."""
    if not isinstance(schema, dict) or not _says_something(schema):
        raise _NotStrict
    strict = {word: value for word, value in schema.items() if word not in _LEFT_OUT}
    for word in ("properties", "$defs"):
        if word in strict:
            strict[word] = {name: _strict(part) for name, part in strict[word].items()}
    for word in ("anyOf", "allOf", "oneOf"):
        if word in strict:
            strict[word] = [_strict(part) for part in strict[word]]
    if strict.get("type") == "array":
        strict["items"] = _strict(strict.get("items"))
    if strict.get("type") == "object":
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _says_something(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "object":
        return "properties" in schema
    return any(word in schema for word in ("type", "enum", "const", "$ref", "anyOf", "allOf", "oneOf"))
