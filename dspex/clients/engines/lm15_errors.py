"""lm15's errors, which engines raise, as the errors that dspex's users catch."""

from __future__ import annotations

from functools import lru_cache

from dspex import errors


def as_dspex_error(error: Exception, model: str) -> Exception:
    """Translate an engine's `error` into the one that dspex's users catch.

    Args:
        error: What the engine raised. An `LMError` is returned as it is.
        model: The model's name, which the new error carries.

    Returns:
        The error; an `LMUnexpectedError` if lm15 does not know it: that is a bug of the engine's.
    """
    if isinstance(error, errors.LMError):
        return error
    meaning = next((ours for theirs, ours in _meanings() if isinstance(error, theirs)), errors.LMUnexpectedError)
    details = {name: getattr(error, name, None) for name in ("status", "request_id", "retry_after", "provider")}
    if issubclass(meaning, errors.LMUnsupportedFeatureError):
        details = {"feature": getattr(error, "feature", None)}
    known = {name: value for name, value in details.items() if value is not None}
    return meaning(str(getattr(error, "message", None) or error), model=model, **known)


@lru_cache(maxsize=1)
def _meanings() -> tuple[tuple[type[Exception], type[errors.LMError]], ...]:
    """The most specific ones first."""
    import lm15

    return (
        (lm15.ContextLengthError, errors.ContextWindowExceededError),
        (lm15.AuthError, errors.LMAuthError),
        (lm15.BillingError, errors.LMBillingError),
        (lm15.RateLimitError, errors.LMRateLimitError),
        (lm15.UnsupportedModelError, errors.LMUnsupportedModelError),
        (lm15.InvalidRequestError, errors.LMInvalidRequestError),
        (lm15.TimeoutError, errors.LMTimeoutError),
        (lm15.ServerError, errors.LMServerError),
        (lm15.CapabilityError, errors.LMUnsupportedFeatureError),
        (lm15.NotConfiguredError, errors.LMNotConfiguredError),
        (lm15.ConfigurationError, errors.LMConfigurationError),
        (lm15.TransportError, errors.LMTransportError),
        (lm15.ProviderError, errors.LMProviderError),
    )
