"""Names of fields as Google's servers take them: in camelCase, and in snake_case as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_UNDERSCORE = re.compile(r"_([a-z])")


def camel(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with its own names in camelCase; what is inside of its values stays."""
    return {_camel(name): value for name, value in body.items()}


@lru_cache(maxsize=1024)
def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda match: match[1].upper(), name)
