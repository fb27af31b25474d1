"""Reading signatures written as text: ``"question, context: list[str] -> answer: bool"``.

The text is cut at the arrow, the commas and the colons that stand outside brackets and quotes; the types between them
are read by `type_names.parse_type`. Nothing is evaluated.
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from dspex.errors import UsageError
from dspex.signatures.field import Role
from dspex.signatures.type_names import Names, TypeSyntaxError, is_type, parse_type

_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


class SignatureSyntaxError(UsageError, SyntaxError):
    """A signature text is not written as one is. DSPy lets Python's `SyntaxError` through in such cases."""

    __str__ = Exception.__str__


class FieldText(NamedTuple):
    """One field as the text gives it; `type` is None where the text names none."""

    role: Role
    name: str
    type: Any


def parse_signature_text(text: str, names: Names) -> list[FieldText]:
    """Read the fields of a signature text, such as ``"question, context: list[str] -> answer"``.

    Args:
        text: The text.
        names: Looks up the names of types in it.

    Returns:
        The fields in order, inputs first.

    Raises:
        UsageError: saying what is wrong, and where in the text.
    """
    inputs, outputs = _cut_at_arrow(text)
    fields = [*_side(text, "input", inputs, names), *_side(text, "output", outputs, names)]
    _refuse_duplicates(text, fields)
    if not any(field.role == "output" for field in fields):
        raise _error(text, "there is no output field after '->'", "Name what is to be produced: 'question -> answer'.")
    return fields


def _cut_at_arrow(text: str) -> tuple[str, str]:
    arrows = [index for index, token in _outside_brackets(text) if token == "->"]
    if len(arrows) != 1:
        found = "There is none"
        if arrows:
            found = f"There are {len(arrows)}, at characters " + ", ".join(str(index + 1) for index in arrows)
        raise UsageError(
            f"Invalid signature format: {text!r}, must contain exactly one '->'. {found}. Write 'inputs -> outputs'."
        )
    return text[: arrows[0]], text[arrows[0] + 2 :]


def _side(text: str, role: Role, side: str, names: Names) -> Iterator[FieldText]:
    parts = _cut(side, ",")
    if not parts[-1].strip():
        parts.pop()  # nothing there, or a trailing comma
    for number, part in enumerate(parts, start=1):
        where = f"{role} field {number}"
        if not part.strip():
            raise _misspelled(text, f"{where} is empty", "Remove the extra comma.")
        yield _field(text, role, where, part)._replace(type=_type(text, where, part, names))


def _field(text: str, role: Role, where: str, part: str) -> FieldText:
    name = _cut(part, ":")[0].strip()
    if not name.isidentifier() or keyword.iskeyword(name):
        remedy = "Write 'name' or 'name: type', separated by commas."
        raise _misspelled(text, f"{where}, {name!r}, is not a name", remedy)
    if name.startswith("_"):
        raise _error(text, f"{where}, {name!r}, starts with an underscore", "Rename the field.")
    return FieldText(role, name, None)


def _type(text: str, where: str, part: str, names: Names) -> Any:
    name, *rest = _cut(part, ":")
    if not rest:
        return None
    spelled = ":".join(rest)
    if any(token == "=" for _, token in _outside_brackets(spelled)):
        raise _error(text, f"{where}, {name.strip()!r}, has a default", "Give defaults in a class-based signature.")
    try:
        found = parse_type(spelled, names)
    except UsageError as error:
        failed = _misspelled if isinstance(error, TypeSyntaxError) else _error
        raise failed(text, f"the type of {where}, {name.strip()!r}, cannot be read", str(error)) from None
    if not is_type(found):
        raise _error(text, f"the type of {where}, {name.strip()!r}, is not a type but {found!r}", "Name a type.")
    return found


def _refuse_duplicates(text: str, fields: list[FieldText]) -> None:
    twice = sorted(name for name, times in Counter(field.name for field in fields).items() if times > 1)
    if twice:
        remedy = f"Input and output fields must have distinct names, but found duplicates: '{', '.join(twice)}'."
        raise _error(text, f"the field name {twice[0]!r} is used twice", remedy)


def _cut(text: str, separator: str) -> list[str]:
    """Split at `separator` where it stands outside brackets and quotes."""
    parts, start = [], 0
    for index, token in _outside_brackets(text):
        if token == separator:
            parts.append(text[start:index])
            start = index + len(separator)
    return [*parts, text[start:]]


def _outside_brackets(text: str) -> Iterator[tuple[int, str]]:
    """Positions and characters outside brackets and quotes; the arrow is one token."""
    depth, quote, index = 0, "", 0
    while index < len(text):
        character = text[index]
        if quote:
            index += character == "\\"  # skip what is escaped
            quote = "" if character == quote else quote
        elif character in _QUOTES and depth:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif depth <= 0:
            token = "->" if text.startswith("->", index) else character
            yield index, token
            index += len(token) - 1
        index += 1


def _error(text: str, what: str, remedy: str) -> UsageError:
    return UsageError(f"In the signature {text!r}: {what}. {remedy}")


def _misspelled(text: str, what: str, remedy: str) -> UsageError:
    return SignatureSyntaxError(f"In the signature {text!r}: {what}. {remedy}")
