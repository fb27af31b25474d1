"""The arguments of a tool call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def arguments_of(written: Any) -> dict[str, Any]:
    """Return the arguments of a call as an object, for APIs that take nothing else.

    Args:
        written: An object, or the JSON text of one, as OpenAI has it. What is not JSON, or not an object, becomes the
            argument ``input``.
    """
    if isinstance(written, Mapping):
        return dict(written)
    try:
        found = json.loads(written or "{}")
    except ValueError:
        found = written
    return found if isinstance(found, dict) else {"input": found}
