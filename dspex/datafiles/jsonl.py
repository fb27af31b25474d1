"""JSONL: one JSON object a line; empty lines do not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dspex.datafiles.malformed import MalformedError
from dspex.datafiles.text_lines import text_lines

_LARGEST = 2**64 - 1
_SMALLEST = -(2**63)


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects, each with the number of its line."""
    for number, line in text_lines(path):
        if line.strip():
            yield number, _object(line, number)


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = _decode(line.rstrip())
    except json.JSONDecodeError as error:
        raise MalformedError(number, f"not JSON: {error.msg}, at column {error.colno}.") from error
    except (_RefusedError, RecursionError) as error:
        raise MalformedError(number, str(error)) from error
    if not isinstance(value, dict):
        raise MalformedError(number, f'{_kind(value)} where an object is needed, such as {{"question": ...}}.')
    if "\\ud" in line or "\\uD" in line:
        _refuse_half_characters(value, number)
    return value


class _RefusedError(ValueError):
    """JSON that Python reads and that cannot be a row."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"the key {twice!r} is there twice.")
    return found


def _constant(name: str) -> Any:
    raise _RefusedError(f"{name} is not JSON. Write null, or leave the key out.")


def _whole(text: str) -> int:
    number = int(text) if len(text) < 30 else _LARGEST + 1
    if not _SMALLEST <= number <= _LARGEST:
        raise _RefusedError(f"the number {text[:40]} is too large. Write it as text.")
    return number


_decode = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_whole).decode


def _refuse_half_characters(value: Any, number: int) -> None:
    """Half of a surrogate pair can be written in JSON, and never be sent."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedError(number, "a \\ud... escape is half a character.") from error


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
