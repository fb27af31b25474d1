"""Values on their way into the sandbox and out of it: both ways they become what JSON can hold."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python


class NotSendableError(TypeError):
    """A value that no JSON can stand for."""


def sendable(value: Any) -> Any:
    """`value` as the sandbox gets it: models, dataclasses and named tuples as dicts, tuples and sets as lists.

    Raises:
        NotSendableError: names the type that cannot cross.
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return sendable(value.value)
    if isinstance(value, str):
        return str.__str__(value).encode("utf-8", "replace").decode()  # Monty's strings hold no lone surrogates
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list | tuple):
        if hasattr(value, "_asdict"):
            return sendable(value._asdict())
        return [sendable(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): sendable(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [sendable(item) for item in _in_order(value)]
    return _other(value)


def _other(value: Any) -> Any:
    try:
        if isinstance(value, BaseModel):
            return sendable(value.model_dump(mode="json"))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return sendable(dataclasses.asdict(value))
        return sendable(to_jsonable_python(value))
    except PydanticSerializationError as error:
        raise NotSendableError(f"Unsupported value type: {type(value).__name__} ({error})") from None
    except RecursionError:
        raise NotSendableError(f"Unsupported value: this {type(value).__name__} contains itself") from None


def _key(key: Any) -> Any:
    key = sendable(key)
    return tuple(key) if isinstance(key, list) else key


def _in_order(values: Any) -> list[Any]:
    """A set's members in the same order in every run, where they have one."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def received(value: Any) -> Any:
    """Convert a value out of the sandbox: JSON's kinds stay, tuples and sets become lists, all else becomes words."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [received(item) for item in value]
    if isinstance(value, set | frozenset):
        return [received(item) for item in _in_order(value)]
    if isinstance(value, dict):
        return {received_key(key): received(item) for key, item in value.items()}
    attributes = getattr(value, "attributes", None)
    if isinstance(attributes, dict):  # an instance of a class that the sandboxed code defined
        return received(attributes) if value.is_dataclass else _in_words(value.name, attributes)
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return repr(value)


def _in_words(name: str, attributes: dict[str, Any]) -> str:
    shown = ", ".join(f"{key}={received(value)!r}" for key, value in attributes.items() if not key.startswith("_"))
    return f"{name}({shown})"


def received_key(key: Any) -> Any:
    """Convert a dictionary's key out of the sandbox: a key of JSON's, or its text."""
    key = received(key)
    return key if key is None or isinstance(key, bool | int | float | str) else str(key)
