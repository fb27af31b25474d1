"""Reading a request's body strictly: what the APIs would refuse is refused, and the part at fault is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from dspex_practice.model.errors import BadRequestError

Body = Mapping[str, Any]


def load(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`.

    Raises:
        BadRequestError: if there is none.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequestError("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise BadRequestError("The body of the request must be a JSON object.")
    return body


def digest(body: Any, salt: str = "") -> bytes:
    """A digest of a body, whatever the order of its keys. `salt` keeps the same body at two endpoints apart."""
    try:
        raw = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise BadRequestError("The body of the request is nested too deeply.") from None
    return blake2b(raw, digest_size=16, key=salt.encode()[:64]).digest()


def model_name(body: Body) -> str:
    """The model that a request names.

    Raises:
        BadRequestError: if it names none.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequestError("You must provide a model parameter.", "model")
    return model


def text(body: Body, name: str, place: str = "") -> str:
    """A string that must be there."""
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"{place}{name} must be a string.", f"{place}{name}")
    return value


def number(body: Body, name: str, least: float, most: float, default: float) -> float:
    """A number from `least` to `most`; `default` if it is missing.

    Raises:
        BadRequestError: if it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequestError(f"{name} must be a number between {least} and {most}.", name)
    return float(value)


def whole(body: Body, name: str, least: int, most: int | None = None) -> int | None:
    """A whole number from `least` to `most` (None for no upper bound); None if it is missing.

    Raises:
        BadRequestError: if it is something else.
    """
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limit = f"between {least} and {most}" if most is not None else f"of at least {least}"
        raise BadRequestError(f"{name} must be a whole number {limit}.", name)
    return value


def flag(body: Body, name: str, default: bool = False) -> bool:
    """A boolean; `default` if it is missing.

    Raises:
        BadRequestError: if it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequestError(f"{name} must be true or false.", name)
    return value


def one_of(body: Body, name: str, allowed: Collection[str], default: str | None = None, place: str = "") -> str:
    """One of some words; `default`, if it is not there."""
    value = body.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        raise BadRequestError(f"{place}{name} must be one of {', '.join(allowed)}.", f"{place}{name}")
    return value


def mapping(body: Body, name: str, place: str = "") -> dict[str, Any] | None:
    """An object; None if it is missing. `place` is the path of `body` in the request, for the message.

    Raises:
        BadRequestError: if it is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadRequestError(f"{place}{name} must be an object.", f"{place}{name}")
    return value


def objects(body: Body, name: str, place: str = "") -> list[dict[str, Any]]:
    """An array of objects; an empty one if it is not there."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequestError(f"{place}{name} must be an array of objects.", f"{place}{name}")
    return value


def strings(body: Body, name: str, most: int, *, alone: bool = False) -> tuple[str, ...]:
    """Strings, none empty, at most `most`; where `alone`, one may come without an array."""
    value = body.get(name)
    if value is None:
        return ()
    found = [value] if alone and isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > most or not all(isinstance(each, str) and each for each in found):
        raise BadRequestError(f"{name} must be at most {most} strings, none of them empty.", name)
    return tuple(found)
