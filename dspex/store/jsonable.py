"""Python values as JSON values, for rows, demos and predictions.

What JSON has no word for becomes what a reader would expect (see `to_jsonable`); what cannot be data (a function, an
open file) is refused with the path of the field that holds it. The types named here are recognized without
importing them.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import hashlib
import json
import pathlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from dspex.errors import UsageError

_PLAIN = (str, int, float, bool, type(None))
_MAX_DEPTH = 100


def to_jsonable(value: Any, path: str = "") -> Any:
    """Convert `value` to dicts, lists, strings, numbers, booleans and None.

    Examples, predictions, pydantic models and dataclasses become objects; enums their value; dates and durations ISO
    8601; tuples lists; sets sorted lists; bytes their text, else base64; decimals, UUIDs and paths strings; numpy's
    arrays and scalars lists and numbers.

    Args:
        value: The value.
        path: Its name in the error.

    Raises:
        UsageError: it holds something else; the message names the field.
    """
    return _convert(value, path, 0)


def encode(value: Any, path: str = "") -> bytes:
    """Encode `value` as compact JSON. Objects keep the order of their keys: a prompt may show it.

    Args:
        value: What `to_jsonable` takes.
        path: Its name in the error.

    Raises:
        UsageError: it cannot be JSON; the message names the field.
    """
    return json.dumps(to_jsonable(value, path), ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def decode(body: bytes) -> Any:
    """Decode what `encode` wrote."""
    return json.loads(body)


def sha256(*parts: bytes) -> str:
    """Return the content address of JSON that `encode` wrote, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _convert(value: Any, path: str, depth: int) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > _MAX_DEPTH:
        raise UsageError(f"{_named(path)} is nested more than {_MAX_DEPTH} levels deep, or refers to itself.")
    if kind is dict:
        return _object(value, path, depth)
    if kind is list or kind is tuple:
        return [_convert(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    simpler = _simpler(value, path)
    if simpler is value:
        raise UsageError(f"{_named(path)} cannot be kept as JSON: it is {_article(kind.__name__)}.")
    return _convert(simpler, path, depth + 1)


def _object(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    converted = {}
    for key, item in value.items():
        name = _key(key, path)
        converted[name] = (
            item if type(item) in _PLAIN else _convert(item, f"{path}.{name}" if path else name, depth + 1)
        )
    return converted


def _key(key: Any, path: str) -> str:
    if type(key) is str:
        return key
    if isinstance(key, enum.Enum):
        return _key(key.value, path)
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int | float | bool | None):
        return json.dumps(key)
    raise UsageError(f"{_named(path)} has a key that is {_article(type(key).__name__)}; JSON's keys are strings.")


def _simpler(value: Any, path: str) -> Any:
    """One step towards JSON; `value` itself if there is none."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return _simpler_object(value, path)


def _simpler_object(value: Any, path: str) -> Any:
    if callable(to_dict := getattr(type(value), "toDict", None)):
        return to_dict(value)
    if callable(dump := getattr(type(value), "model_dump", None)):
        return _dumped(dump, value, path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset):
        return _in_order([_convert(item, f"{path}{{}}", 0) for item in value])
    return _simpler_scalar(value)


def _simpler_scalar(value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):  # a datetime is a date
        from pydantic_core import to_jsonable_python

        return to_jsonable_python(value)  # as prompts show it, so that a stored example reads as the live one
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value))
    if isinstance(value, decimal.Decimal | uuid.UUID | pathlib.PurePath):
        return str(value)
    return value


def _text(value: bytes) -> str:
    """The text that the bytes are; base64 if they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _dumped(dump: Any, value: Any, path: str) -> Any:
    try:
        return dump(value, mode="json")
    except (ValueError, TypeError) as error:
        raise UsageError(f"{_named(path)} cannot be kept as JSON: {error}") from error


def _in_order(items: Iterable[Any]) -> list[Any]:
    """A set's own order differs from process to process."""
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _named(path: str) -> str:
    return f"Field {path!r}" if path else "The value"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
