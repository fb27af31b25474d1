"""What Gemini's errors mean: ``{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": ...}}``."""

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

_BY_STATUS: dict[str, type[LMError]] = {
    "ABORTED": LMServerError,
    "CANCELLED": LMServerError,
    "DEADLINE_EXCEEDED": LMTimeoutError,
    "FAILED_PRECONDITION": LMInvalidRequestError,
    "INTERNAL": LMServerError,
    "INVALID_ARGUMENT": LMInvalidRequestError,
    "NOT_FOUND": LMUnsupportedModelError,
    "OUT_OF_RANGE": LMInvalidRequestError,
    "PERMISSION_DENIED": LMAuthError,
    "RESOURCE_EXHAUSTED": LMRateLimitError,
    "UNAUTHENTICATED": LMAuthError,
    "UNAVAILABLE": LMServerError,
    "UNIMPLEMENTED": LMInvalidRequestError,
}
_BY_CODE: dict[int, type[LMError]] = {
    401: LMAuthError,
    402: LMBillingError,
    403: LMAuthError,
    404: LMUnsupportedModelError,
    408: LMTimeoutError,
    413: ContextWindowExceededError,
    429: LMRateLimitError,
}
_NO_KEY = re.compile(r"api.?key.{0,40}(not valid|invalid|expired|not found)|api_key_invalid", re.I)
_NO_CREDIT = re.compile(r"without.{0,20}billing|credits? (are|is) depleted|enable billing", re.I)

A_DAYS_QUOTA_SECONDS = 3600.0
"""How long to wait when the quota of the day is used up: the delay that Gemini names then is far too short."""


def error_of(response: RawResponse) -> LMError:
    """Return the error that a response with an error status means."""
    error = _error(response.body)
    if error is None:
        return _lm_error({"code": response.status, "message": excerpt(response.body)}, response)
    return _lm_error(error, response)


def error_inside(data: Any) -> LMError:
    """Return the error in a response with a good status, as in streams."""
    error = data.get("error")
    if not isinstance(error, Mapping):
        return LMUnexpectedError(f"The answer is an error: {error}")
    return _lm_error(error, None)


def blocked(data: Mapping[str, Any]) -> LMError | None:
    """Return the error of a response that has no candidates because the prompt was blocked; None for any other."""
    reason = (data.get("promptFeedback") or {}).get("blockReason")
    if not reason or data.get("candidates"):
        return None
    found = LMInvalidRequestError(f"Gemini has blocked the prompt: {reason}")
    found.provider_code = str(reason)
    return found


def _lm_error(error: Mapping[str, Any], response: RawResponse | None) -> LMError:
    words = str(error.get("message") or error)
    code = response.status if response is not None else _number(error.get("code"))
    wait = _delay(error)
    if wait is None and response is not None:
        wait = retry_after(response.headers)
    meaning = _meaning(str(error.get("status") or ""), code, words, _reasons(error))
    found = meaning(f"{code}: {words}", status=code or None, retry_after=wait)
    found.provider_code = str(error.get("status") or "") or None
    return found


def _meaning(status: str, code: int, words: str, reasons: set[str]) -> type[LMError]:
    found = _BY_STATUS.get(status) or _BY_CODE.get(code)
    if found is None:
        if code >= 500 or code == 409:
            return LMServerError
        if code < 400:
            return LMUnsupportedModelError if code >= 300 else LMUnexpectedError
        found = LMInvalidRequestError
    if "API_KEY_INVALID" in reasons or _NO_KEY.search(words):
        return LMAuthError
    if found is LMInvalidRequestError and is_too_long(words):
        return ContextWindowExceededError
    if status in ("FAILED_PRECONDITION", "RESOURCE_EXHAUSTED") and _NO_CREDIT.search(words):
        return LMBillingError
    return found


def _delay(error: Mapping[str, Any]) -> float | None:
    """The seconds that ``RetryInfo`` asks to wait, or an hour if it is the day's quota that is used up."""
    details = [one for one in error.get("details") or () if isinstance(one, Mapping)]
    violations = [one for detail in details for one in detail.get("violations") or () if isinstance(one, Mapping)]
    if any("PerDay" in str(one.get("quotaId")) for one in violations):
        return A_DAYS_QUOTA_SECONDS
    for detail in details:
        delay = str(detail.get("retryDelay") or "")
        if re.fullmatch(r"\d+(\.\d+)?s", delay):
            return float(delay[:-1])
    return None


def _reasons(error: Mapping[str, Any]) -> set[str]:
    return {str(one.get("reason")) for one in error.get("details") or () if isinstance(one, Mapping)}


def _error(body: bytes) -> Mapping[str, Any] | None:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(data, list) and data:  # as a stream that is not one of events sends it
        data = data[0]
    error = data.get("error", data) if isinstance(data, dict) else data
    return error if isinstance(error, dict) else None


def _number(code: Any) -> int:
    return code if isinstance(code, int) else 0
