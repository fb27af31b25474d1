"""How prompts describe the type of a field: by name, by a note on what to produce, by a JSON schema."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from dspex.adapters.types.base_type import Type
from dspex.adapters.types.code import Code
from dspex.adapters.types.reasoning import Reasoning
from dspex.errors import UsageError
from dspex.signatures.field import extra_of, role_of


def annotation_name(annotation: Any) -> str:
    """Name a type as prompts do: ``list[str]``, ``Literal['a', 'b']``, ``Union[int, NoneType]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Reasoning:
        return "str"  # to the LM it is text
    if origin is None:
        return getattr(annotation, "__name__", None) or str(annotation)
    if origin is types.UnionType:
        origin = Union
    if origin is Literal:
        inner = [_quoted(value) if isinstance(value, str) else annotation_name(value) for value in arguments]
    else:
        inner = [annotation_name(argument) for argument in arguments]
    return f"{annotation_name(origin)}[{', '.join(inner)}]"


def field_list(fields: Mapping[str, FieldInfo]) -> str:
    """Write the numbered list of fields in the system message, each with its type, description and constraints."""
    lines = [_field_line(number, name, field) for number, (name, field) in enumerate(fields.items(), start=1)]
    return "\n".join(lines).strip()


def placeholder(field_name: str, field_info: FieldInfo) -> str:
    """Return the placeholder of a field, ``{name}``; that of an output carries a note on the form the value must have.

    Args:
        field_name: The field's name.
        field_info: The field as pydantic describes it, with its role and type.
    """
    note = "" if role_of(field_info) == "input" else output_note(field_name, field_info.annotation)
    return f"{{{field_name}}}" + (f"        # note: the value you produce {note}" if note else "")


def output_note(name: str, annotation: Any) -> str:
    """Say what form an output must have, in DSPy's words, such as ``must be True or False``.

    Args:
        name: The output field's name, for errors.
        annotation: The field's type.

    Returns:
        The note, without a subject; empty for text, reasoning and code, which may have any form.

    Raises:
        UsageError: the type has no JSON schema.
    """
    if annotation in (str, Reasoning) or _is_described_code(annotation):
        return ""
    if annotation is bool:
        return "must be True or False"
    if annotation in (int, float):
        return f"must be a single {annotation.__name__} value"
    if isinstance(annotation, enum.EnumMeta):
        return "must be one of: " + "; ".join(str(member.value) for member in annotation)  # type: ignore[var-annotated]
    if get_origin(annotation) is Literal:
        return "must exactly match (no extra characters) one of: " + "; ".join(map(str, get_args(annotation)))
    return f"must adhere to the JSON schema: {json.dumps(_readable(schema_of(name, annotation)), ensure_ascii=False)}"


def _is_described_code(annotation: Any) -> bool:
    """Whether the type's own description says all there is to say."""
    return (
        isinstance(annotation, type)
        and not get_args(annotation)
        and issubclass(annotation, Code)
        and bool(annotation.description())
    )


def allows_none(annotation: Any) -> bool:
    """Say whether None is a value of the type."""
    if annotation is None or annotation is types.NoneType:
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allows_none(arguments[0])
    return origin in (Union, types.UnionType) and any(map(allows_none, arguments))


def _field_line(number: int, name: str, field: FieldInfo) -> str:
    extra = extra_of(field)
    description = "" if extra["desc"] == f"${{{name}}}" else extra["desc"]
    for custom in Type.extract_custom_type_from_annotation(field.rebuild_annotation()):
        if type_description := custom.description():
            description += f"\n    Type description of {annotation_name(custom)}: {type_description}"
    line = f"{number}. `{name}` ({annotation_name(field.annotation)}): {description}"
    return f"{line}\nConstraints: {extra['constraints']}" if extra.get("constraints") else line


def schema_of(name: str, annotation: Any, *, by_alias: bool = True) -> dict[str, Any]:
    """Return the JSON schema of the type of the output `name`.

    Args:
        name: The output field's name, for errors.
        annotation: The field's type.
        by_alias: Whether the properties of models go by their aliases.

    Raises:
        UsageError: the type has no JSON schema.
    """
    try:
        return pydantic.TypeAdapter(annotation).json_schema(by_alias=by_alias)
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise unreadable(name, annotation, error) from None


def unreadable(name: str, annotation: Any, error: Exception) -> UsageError:
    """Make the error for an output type that no answer can be turned into; the caller raises it.

    Args:
        name: The output field's name.
        annotation: The field's type.
        error: What pydantic said; the first line of it becomes part of the message.
    """
    return UsageError(
        f"The output field {name!r} has the type {annotation_name(annotation)}, which no LM's answer can be read as "
        f"({str(error).splitlines()[0]}). Use a builtin type, a pydantic model, or a subclass of dspex.Type."
    )


def _readable(schema: Any) -> Any:
    """The schema with sorted keys, `type` first."""
    if isinstance(schema, Mapping):
        return {key: _readable(schema[key]) for key in sorted(schema, key=lambda key: (key != "type", key))}
    return [_readable(part) for part in schema] if isinstance(schema, list) else schema


def _quoted(text: str) -> str:
    """`text` in the quotes that need no escaping, or in single quotes with the single quotes escaped."""
    if "'" in text and '"' not in text:
        return f'"{text}"'
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
