"""Keys stay in the memory of one process: never printed, pickled, dumped, logged or echoed in an error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

from dspex.errors import LMConfigurationError

_SECRET_NAME = re.compile(r"(^|[_-])(key|secret|password|token|headers|authorization)$", re.IGNORECASE)
_SHORTEST_KEY = 8
_MASK = "***"

_USERINFO = re.compile(r"(?<=://)[^/\s@?#]+@")
_IN_QUERY = re.compile(
    r"([?&][\w.-]*(?:key|token|secret|password|sig|signature|credential)=)[^&\s\"'<>#]+", re.IGNORECASE
)
_SCHEME = re.compile(r"\b(Bearer|Basic)(\s+)(?=[^\s\"']*\d)[\w.~+/=-]{12,}", re.IGNORECASE)


class Secret:
    """A key whose text only `reveal` returns. White space around it is dropped: files end lines."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def reveal(self) -> str:
        """Return the key's text."""
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
    """Tell whether a parameter of this name may hold a secret (``api_key``, ``extra_headers``, ...)."""
    return _SECRET_NAME.search(name) is not None


def public(params: dict[str, Any]) -> dict[str, Any]:
    """Return `params` without those that may hold a secret."""
    return {name: value for name, value in params.items() if not names_a_secret(name)}


def refuse_secrets_in(url: str | None) -> str | None:
    """Return `url`, which shows wherever it goes: in a program's file, a log, an error.

    Raises:
        LMConfigurationError: it carries a user and password, or a key.
    """
    if url and "@" in url and _USERINFO.search(url):
        raise LMConfigurationError("api_base carries a user and password: pass the key as api_key_env= instead")
    if url and "?" in url and _IN_QUERY.search(url):
        raise LMConfigurationError("api_base carries a key in its query: pass it as api_key_env= instead")
    return url


def scrub(text: str, *secrets: str | None) -> str:
    """Mask every secret in a text: those given, and whatever looks like one (after ``Bearer``, in an address).

    Some servers echo the key that they refuse. A secret is also found as it looks in a URL or in JSON.

    Args:
        text: A message.
        *secrets: Keys. None, and keys shorter than 8 characters (stand-ins of a test), are left alone.
    """
    forms = {form for secret in secrets if secret and len(secret) >= _SHORTEST_KEY for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MASK)
    text = _USERINFO.sub(f"{_MASK}@", text)
    text = _IN_QUERY.sub(rf"\1{_MASK}", text)
    return _SCHEME.sub(rf"\1\2{_MASK}", text)


def scrub_body(body: bytes, *secrets: str | None) -> bytes:
    """Mask the secrets that a request was sent with, should its answer hold them: answers are kept.

    Args:
        body: The answer.
        *secrets: Keys. None, and keys shorter than 8 characters, are left alone.
    """
    for secret in secrets:
        if secret is not None and len(secret) >= _SHORTEST_KEY and (raw := secret.encode()) in body:
            body = body.replace(raw, _MASK.encode())
    return body


def in_headers(headers: Mapping[str, str]) -> Iterable[str]:
    """Yield the secrets among the headers of a request, also without their scheme (``Bearer``)."""
    for name, value in headers.items():
        if isinstance(value, str) and (names_a_secret(name) or name.lower() == "cookie"):
            yield value
            yield value.rpartition(" ")[2]  # without its scheme


def in_environment() -> Iterable[str]:
    """Return the values of the variables that are named like keys: libraries read their keys from there."""
    return [value for name, value in os.environ.items() if names_a_secret(name)]


def _forms(secret: str) -> Iterable[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    escaped = json.dumps(secret)[1:-1]
    yield from (escaped, escaped.replace("/", "\\/"), json.dumps(secret, ensure_ascii=False)[1:-1])
