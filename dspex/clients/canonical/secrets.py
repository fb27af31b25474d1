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
    """A key whose text is only had by asking for it (`reveal`). Space around it is none of its own: files end lines."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

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


def refuse_secrets_in(url: str | None) -> str | None:
    """`url`, which shows wherever it goes: in a program's file, a log, an error.

    Raises:
        LMConfigurationError: it carries a user and password, or a key.
    """
    if url and "@" in url and _USERINFO.search(url):
        raise LMConfigurationError("api_base carries a user and password: pass the key as api_key_env= instead")
    if url and "?" in url and _IN_QUERY.search(url):
        raise LMConfigurationError("api_base carries a key in its query: pass it as api_key_env= instead")
    return url


def scrub(text: str, *secrets: str | None) -> str:
    """`text` with every occurrence of a secret masked, as it is or as it looks in a URL or in JSON: some servers echo
    the key they refuse. So is whatever looks like one: after ``Bearer``, in an address or in its query.

    A secret shorter than any key (a stand-in, in a test) is left alone, as it may be part of a word.
    """
    forms = {form for secret in secrets if secret and len(secret) >= _SHORTEST_KEY for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MASK)
    text = _USERINFO.sub(f"{_MASK}@", text)
    text = _IN_QUERY.sub(rf"\1{_MASK}", text)
    return _SCHEME.sub(rf"\1\2{_MASK}", text)


def scrub_body(body: bytes, *secrets: str | None) -> bytes:
    """An answer without the secrets that it was asked with, should it hold them: answers are kept."""
    for secret in secrets:
        if secret is not None and len(secret) >= _SHORTEST_KEY and (raw := secret.encode()) in body:
            body = body.replace(raw, _MASK.encode())
    return body


def in_headers(headers: Mapping[str, str]) -> Iterable[str]:
    """The secrets among the headers of a request."""
    for name, value in headers.items():
        if isinstance(value, str) and (names_a_secret(name) or name.lower() == "cookie"):
            yield value
            yield value.rpartition(" ")[2]  # without its scheme


def in_environment() -> Iterable[str]:
    """The values of the variables that are named like keys: libraries take their keys from there by themselves."""
    return [value for name, value in os.environ.items() if names_a_secret(name)]


def _forms(secret: str) -> Iterable[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    escaped = json.dumps(secret)[1:-1]
    yield from (escaped, escaped.replace("/", "\\/"), json.dumps(secret, ensure_ascii=False)[1:-1])
