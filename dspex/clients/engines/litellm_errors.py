"""litellm's errors as the errors that dspex's users catch. litellm is not imported here: who raised has loaded it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from dspex import errors
from dspex.clients.http.retry_after import retry_after

_MEANINGS: tuple[tuple[str, type[errors.LMError]], ...] = (
    ("ContextWindowExceededError", errors.ContextWindowExceededError),
    ("BudgetExceededError", errors.LMBillingError),
    ("RouterRateLimitError", errors.LMRateLimitError),
    ("UnsupportedParamsError", errors.LMUnsupportedFeatureError),
    ("AuthenticationError", errors.LMAuthError),
    ("PermissionDeniedError", errors.LMAuthError),
    ("Timeout", errors.LMTimeoutError),
    ("APIConnectionError", errors.LMTransportError),
    ("APIResponseValidationError", errors.LMProviderError),
    ("RateLimitError", errors.LMRateLimitError),
    ("NotFoundError", errors.LMUnsupportedModelError),
    ("UnprocessableEntityError", errors.LMInvalidRequestError),
    ("BadRequestError", errors.LMInvalidRequestError),
    ("InvalidRequestError", errors.LMInvalidRequestError),
    ("InternalServerError", errors.LMServerError),
    ("ServiceUnavailableError", errors.LMServerError),
    ("BadGatewayError", errors.LMServerError),
)
"""The most specific ones first."""

_BY_CODE: dict[str, type[errors.LMError]] = {
    "insufficient_quota": errors.LMBillingError,
    "billing_error": errors.LMBillingError,
    "context_length_exceeded": errors.ContextWindowExceededError,
    "model_not_found": errors.LMUnsupportedModelError,
    "DeploymentNotFound": errors.LMUnsupportedModelError,
    "invalid_api_key": errors.LMAuthError,
    "authentication_error": errors.LMAuthError,
    "permission_error": errors.LMAuthError,
}
"""What providers' own codes say more exactly than the class of the error."""

_VAGUE = (errors.LMProviderError, errors.LMInvalidRequestError, errors.LMRateLimitError, errors.LMServerError)


def as_dspex_error(error: Exception, model: str) -> errors.LMError:
    """Translate litellm's `error`: by litellm's class for it, the provider's code, or the HTTP status.

    Args:
        error: What litellm raised. An `LMError` is returned as it is.
        model: The model's name, which the new error carries.
    """
    if isinstance(error, errors.LMError):
        return error
    response = getattr(error, "response", None)
    status = _status(error, response)
    code = _code(error)
    meaning = _class_of(error)
    if meaning is None or meaning in _VAGUE:
        meaning = _BY_CODE.get(code or "") or meaning
    meaning = meaning or _by_status(status)
    told = meaning(message=str(getattr(error, "message", None) or error), model=model, status=status)
    told.provider = getattr(error, "llm_provider", None)
    told.provider_code = code
    told.final = meaning is errors.LMUnexpectedError  # nobody knows what it is, so nobody knows that it may pass
    told.retry_after = _pause(error, response)
    return told


def _class_of(error: Exception) -> type[errors.LMError] | None:
    litellm = sys.modules.get("litellm")
    for name, meaning in _MEANINGS:
        kind = getattr(litellm, name, None)
        if isinstance(kind, type) and isinstance(error, kind):
            return meaning
    return None


def _by_status(status: int | None) -> type[errors.LMError]:
    if status is None:
        return errors.LMUnexpectedError
    if status in (401, 403):
        return errors.LMAuthError
    if status == 402:
        return errors.LMBillingError
    if status == 404:
        return errors.LMUnsupportedModelError
    if status == 408:
        return errors.LMTimeoutError
    if status == 429:
        return errors.LMRateLimitError
    return errors.LMServerError if status >= 500 else errors.LMInvalidRequestError


def _status(error: Exception, response: Any) -> int | None:
    for status in (getattr(error, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(status, str) and status.isdecimal():
            status = int(status)
        if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
            return status
    return None


def _code(error: Exception) -> str | None:
    body = getattr(error, "body", None)
    detail = body.get("error", body) if isinstance(body, Mapping) else None
    code = (detail.get("code") or detail.get("type")) if isinstance(detail, Mapping) else None
    return None if code is None else str(code)


def _pause(error: Exception, response: Any) -> float | None:
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, (int, float)) and not isinstance(asked, bool) and asked >= 0:
        return float(asked)
    headers = getattr(response, "headers", None)
    return retry_after(headers) if headers is not None and hasattr(headers, "get") else None
