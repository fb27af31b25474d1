"""DSPy's ``dspy.adapters.utils``: its functions by their names there; they live in the modules named below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from dspex.adapters.annotations import allows_none as annotation_allows_none
from dspex.adapters.annotations import annotation_name as get_annotation_name
from dspex.adapters.annotations import field_list as get_field_description_string
from dspex.adapters.annotations import placeholder as translate_field_type
from dspex.adapters.formatting import format_value
from dspex.adapters.formatting import jsonable as serialize_for_json
from dspex.adapters.parsing import find_enum_member, parse_value
from dspex.adapters.plan import plan_of

__all__ = [
    "annotation_allows_none",
    "apply_output_field_defaults",
    "find_enum_member",
    "format_field_value",
    "get_annotation_name",
    "get_field_description_string",
    "parse_value",
    "serialize_for_json",
    "translate_field_type",
]


def format_field_value(field_info: FieldInfo, value: Any, assume_text: bool = True) -> str | dict[str, str]:
    """Write `value` as text for a field.

    Args:
        field_info: The field, whose type decides the form.
        value: What to write.
        assume_text: Whether to return the text itself; if False, a content part that holds it.
    """
    text = format_value(value, field_info.annotation)
    return text if assume_text else {"type": "text", "text": text}


def apply_output_field_defaults(signature: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parsed outputs with the defaults of optional outputs that are missing.

    Args:
        signature: The signature.
        fields: The parsed outputs by name; the mapping is not changed.

    Returns:
        The outputs in the order of the signature.
    """
    return plan_of(signature).complete(dict(fields))
