"""What Anthropic's errors mean: ``{"type": "error", "error": {"type": ..., "message": ...}, "request_id": ...}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from dspex.clients.http.retry_after import retry_after
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.body import excerpt
from dspex.clients.wires.openai.chat import is_too_long
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)

_BY_TYPE: dict[str, type[LMError]] = {
    "api_error": LMServerError,
    "authentication_error": LMAuthError,
    "billing_error": LMBillingError,
    "invalid_request_error": LMInvalidRequestError,
    "not_found_error": LMUnsupportedModelError,
    "overloaded_error": LMServerError,
    "permission_error": LMAuthError,
    "rate_limit_error": LMRateLimitError,
    "request_too_large": ContextWindowExceededError,
    "timeout_error": LMTimeoutError,
}
_BY_STATUS: dict[int, type[LMError]] = {
    400: LMInvalidRequestError,
    401: LMAuthError,
    402: LMBillingError,
    403: LMAuthError,
    404: LMUnsupportedModelError,
    408: LMTimeoutError,
    413: ContextWindowExceededError,
    429: LMRateLimitError,
}
_NO_CREDIT = re.compile(r"credit balance is too low|usage limits|spend limit", re.I)


def error_of(response: RawResponse) -> LMError:
    """Return the error that a response with an error status means."""
    words, kind, request_id = _words(response.body)
    meaning = _meaning(kind, words) or _BY_STATUS.get(response.status)
    if meaning is None:
        meaning = LMServerError if response.status >= 500 or response.status == 409 else LMInvalidRequestError
        if response.status < 400:
            meaning = LMUnexpectedError if response.status < 300 else LMUnsupportedModelError
    found = meaning(f"{response.status}: {words}", status=response.status, retry_after=retry_after(response.headers))
    found.provider_code = kind or None
    found.request_id = request_id or response.headers.get("request-id")
    return found


def error_inside(data: Mapping[str, Any]) -> LMError:
    """Return the error in a response with a good status, as in streams."""
    error = data["error"]
    kind = str(error.get("type") or "") if isinstance(error, Mapping) else ""
    words = str(error.get("message") or error) if isinstance(error, Mapping) else str(error)
    found = (_meaning(kind, words) or LMUnexpectedError)(f"The answer is an error: {words}")
    found.provider_code, found.request_id = kind or None, data.get("request_id")
    return found


def _meaning(kind: str, words: str) -> type[LMError] | None:
    meaning = _BY_TYPE.get(kind)
    if meaning is LMInvalidRequestError:
        if _NO_CREDIT.search(words):
            return LMBillingError
        if is_too_long(words):
            return ContextWindowExceededError
    return meaning


def _words(body: bytes) -> tuple[str, str, str | None]:
    """The provider's own message, its type, and the request's id."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return excerpt(body), "", None
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return str(error), "", None
    words = error.get("message") or error.get("detail")
    return (str(words) if words else excerpt(body)), str(error.get("type") or ""), data.get("request_id")
