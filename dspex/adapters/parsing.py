"""How the text of an LM becomes a value of a field's type.

`parser_for` does the work that depends on the type alone, once; the parser it returns is called for every answer.
"""

from __future__ import annotations

import ast
import enum as enums
import json
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

import pydantic

from dspex.adapters.types.base_type import Type

Parser = Callable[[Any], Any]

UNREADABLE = (
    ValueError,
    TypeError,
    SyntaxError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
    MemoryError,
)
"""What a parser raises for an answer that is not of its type: pydantic's `ValidationError` is a `ValueError`, and the
others come out of a user's validators that expected something else."""

_BRACKETS = re.compile(r"[()\[\]{}]")
_MAX_DEPTH = 200


def parser_for(annotation: Any) -> Parser:
    """Return a function from text (or an already decoded JSON value) to a value of type `annotation`.

    Raises:
        PydanticUserError: for a type that pydantic does not know.
    """
    if annotation is str:
        return str
    if isinstance(annotation, enums.EnumMeta):
        return lambda value: find_enum_member(annotation, value)
    if get_origin(annotation) is Literal:
        return _literal_parser(annotation)
    return _typed_parser(annotation)


def parse_value(value: Any, annotation: Any) -> Any:
    """Convert `value`, as an LM wrote it, to a value of type `annotation`.

    Args:
        value: Text, or what was read from JSON.
        annotation: The type of the field.

    Raises:
        ValueError: `value` cannot be read as that type.
    """
    try:
        return parser_for(annotation)(value)
    except UNREADABLE as error:
        raise error if isinstance(error, ValueError) else ValueError(str(error)) from error


def read_json(text: str) -> Any:
    """Read the JSON value in `text`, mended where it is broken; an empty string where there is none."""
    try:
        return json.loads(text)
    except ValueError:
        _refuse_endless_nesting(text)
        import json_repair  # hardly ever needed, and slow to import

        return json_repair.repair_json(text, return_objects=True, skip_json_loads=True)


def _refuse_endless_nesting(text: str) -> None:
    """A model that repeats an opening bracket for ever would keep json_repair busy for seconds."""
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth += 1 if bracket in "([{" else -1
        if depth > _MAX_DEPTH:
            raise ValueError(f"brackets are nested more than {_MAX_DEPTH} deep")


def find_enum_member(enum: Any, identifier: Any) -> Any:
    """Find the member that has the value `identifier`, else the one of that name.

    Args:
        enum: The enum class.
        identifier: A value, or the name of a member.

    Raises:
        ValueError: there is none.
    """
    for member in enum:
        if member.value == identifier:
            return member
    if isinstance(identifier, str) and identifier in enum.__members__:
        return enum[identifier]
    raise ValueError(f"{identifier} is not a valid name or value for the enum {enum.__name__}")


def _literal_parser(annotation: Any) -> Parser:
    allowed = get_args(annotation)
    fallback = _typed_parser(annotation)

    def parse(value: Any) -> Any:
        if value in allowed:
            return value
        if isinstance(value, str):
            value = _without_wrapping(value)
            if value in allowed:
                return value
        return fallback(value)

    return parse


def _without_wrapping(text: str) -> str:
    """The choice itself where an LM wrote ``Literal['choice']`` or ``"choice"``."""
    text = text.strip()
    if text.startswith(("Literal[", "str[")) and text.endswith("]"):
        text = text[text.find("[") + 1 : -1]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text


def _typed_parser(annotation: Any) -> Parser:
    validate = pydantic.TypeAdapter(annotation).validate_python
    is_custom = isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, Type)
    takes_text = _is_optional_text(annotation)

    def parse(value: Any) -> Any:
        if not isinstance(value, str) or takes_text:
            return validate(value)
        try:
            return validate(_decoded(value))
        except pydantic.ValidationError as error:
            if not is_custom:
                raise
            try:
                return validate(value)  # a custom type may read text in its own way
            except pydantic.ValidationError:
                raise error from None

    return parse


def _is_optional_text(annotation: Any) -> bool:
    if get_origin(annotation) not in (Union, types.UnionType):
        return False
    return {str, types.NoneType} <= set(get_args(annotation))


def _decoded(text: str) -> Any:
    """The JSON value or Python literal in `text`, or `text` itself where it is neither."""
    decoded = read_json(text)
    if decoded != "" or text == "":
        return decoded
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
