"""Keys stay in the memory of one process: never printed, pickled, dumped, logged or echoed in an error."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NoReturn

_SECRET_NAME = re.compile(r"(^|_)(key|secret|password|token|headers|authorization)$", re.IGNORECASE)
_SHORTEST_KEY = 8


class Secret:
    """A key whose text is only had by asking for it (`reveal`)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled: name it with api_key_env= and set that variable on every host.")


@lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a parameter of this name may hold a secret (``api_key``, ``extra_headers``, ``azure_ad_token``, ...)."""
    return _SECRET_NAME.search(name) is not None


def public(params: dict[str, Any]) -> dict[str, Any]:
    """`params` without those that may hold a secret."""
    return {name: value for name, value in params.items() if not names_a_secret(name)}


def scrub(text: str, secret: str | None) -> str:
    """`text` with every occurrence of `secret` masked: some servers echo the key they refuse.

    What is shorter than any key (a stand-in, in a test) is left alone, as it may be part of a word.
    """
    return text.replace(secret, "***") if secret and len(secret) >= _SHORTEST_KEY else text
