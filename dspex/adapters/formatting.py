"""How a value is written into a prompt."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pydantic
from pydantic_core import PydanticSerializationError


def format_value(value: Any, annotation: Any = None) -> str:
    """Write `value` as text for a field.

    Text and numbers stay as they are, everything else becomes JSON; a list given for a `str` field becomes a numbered
    list of texts.

    Args:
        value: What to write.
        annotation: The field's type; it matters for lists only.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int or kind is bool or value is None:
        return str(value)
    if annotation is str and isinstance(value, list):
        return _numbered(value)
    plain = jsonable(value)
    if isinstance(plain, dict | list):
        return json.dumps(plain, ensure_ascii=False)
    return str(plain)


def jsonable(value: Any) -> Any:
    """`value` in the types that JSON has; what cannot be written as JSON becomes its `str`."""
    kind: Any = type(value)
    try:
        return _adapter(kind).dump_python(value, mode="json", fallback=str)
    except (pydantic.errors.PydanticUserError, PydanticSerializationError, ValueError, TypeError, AttributeError):
        return str(value)


@lru_cache(maxsize=512)
def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(kind)


def _numbered(texts: list[Any]) -> str:
    if not texts:
        return "N/A"
    if len(texts) == 1:
        return _in_quotes(str(texts[0]))
    return "\n".join(f"[{number}] {_in_quotes(str(text))}" for number, text in enumerate(texts, start=1))


def _in_quotes(text: str) -> str:
    """One text of several: in guillemets, or as an indented block where it holds line breaks or guillemets itself."""
    if not any(character in text for character in "\n«»"):
        return f"«{text}»"
    indented = text.replace("\n", "\n    ")
    return f"«««\n    {indented}\n»»»"
