"""Reading the body of a response."""

from __future__ import annotations

from typing import Any

import orjson

from dspex.errors import LMUnexpectedError

_EXCERPT_BYTES = 500


def parse_body(body: bytes) -> Any:
    """Parse the JSON of a response's body.

    Raises:
        LMUnexpectedError: it is not JSON; the message quotes its beginning.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LMUnexpectedError(f"The answer is not JSON ({error}): {excerpt(body)}") from None


def excerpt(body: bytes) -> str:
    """Return the beginning of a response's body, for error messages."""
    text = body[:_EXCERPT_BYTES].decode(errors="replace").strip()
    return text if text else "(empty)"
