"""What can go wrong, by name, and whose fault it is.

The names of the LM errors are DSPy's (``dspy.utils.exceptions``), so that user code that catches them keeps working.
What is ours is `blame`: every failure is the provider's or the machine's (retried, never scored), the set-up's (the run
stops at once), or the program's own (scored as a failure and listed).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class DSPyError(Exception):
    """Base of every error that dspex raises on purpose."""


class UsageError(DSPyError, ValueError):
    """The caller asked for something that cannot be; nothing was run. The message says what to change."""


class LMError(DSPyError):
    """A language-model call failed.

    `status` is the HTTP status where there was one, `retry_after` the seconds the provider asked us to wait.
    """

    def __init__(
        self,
        message: str = "",
        *,
        model: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.model = model
        self.status = status
        self.retry_after = retry_after


class LMTransportError(LMError):
    """The connection failed before a whole answer came."""


class LMConfigurationError(LMError):
    """The LM is set up wrongly; no call was made."""


class LMNotConfiguredError(LMConfigurationError, ValueError):
    """There is no LM to call."""


class LMUnsupportedFeatureError(LMError):
    """The model or the provider cannot do what the call asks for."""


class LMProviderError(LMError):
    """The provider answered with an error."""


class LMAuthError(LMProviderError):
    """401 or 403: the key is missing, wrong, or not allowed to use the model."""


class LMBillingError(LMProviderError):
    """402, or a 429 that says that the account's quota is used up: waiting does not help."""


class LMRateLimitError(LMProviderError):
    """429: too many requests or tokens just now."""

    shared_wait = False
    """Whether the client holds back every call to the endpoint for `retry_after`, and not this one alone."""


class LMInvalidRequestError(LMProviderError):
    """400 or 422: the provider does not accept the request."""


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is longer than the model's context window."""


class LMUnsupportedModelError(LMInvalidRequestError):
    """404: the provider does not know the model, or the URL is wrong."""


class LMTimeoutError(LMProviderError):
    """No whole answer within the time allowed."""


class LMServerError(LMProviderError):
    """5xx: the provider failed."""


class LMUnexpectedError(LMError):
    """The provider answered something that is not an answer (wrong content type, malformed or truncated JSON)."""


class AdapterParseError(DSPyError):
    """The LM's answer does not hold the output fields of the signature.

    Attributes as DSPy names them: `adapter_name`, `signature`, `lm_response`, `parsed_result`.
    """

    def __init__(
        self,
        adapter_name: str,
        signature: Any,
        lm_response: str,
        message: str | None = None,
        parsed_result: Any | None = None,
    ) -> None:
        self.adapter_name = adapter_name
        self.signature = signature
        self.lm_response = lm_response
        self.parsed_result = parsed_result
        text = f"{message}\n\n" if message else ""
        text += f"Adapter {adapter_name} failed to parse the LM response. \n\nLM Response: {lm_response} \n\n"
        text += f"Expected to find output fields in the LM response: [{', '.join(signature.output_fields)}] \n\n"
        if parsed_result is not None:
            text += f"Actual output fields parsed from the LM response: [{', '.join(parsed_result)}] \n\n"
        super().__init__(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return AdapterParseError, (self.adapter_name, self.signature, self.lm_response, None, self.parsed_result)


class StoreError(DSPyError):
    """The store cannot be read or written just now."""


class StoreFullError(StoreError):
    """The disk or the database that holds the store has no room left."""


class NotInStoreError(StoreError):
    """The store holds no such thing. Hosts of one run must share one store (`DSPEX_STORE`)."""


class ProgramNotAvailableError(DSPyError):
    """This process has not imported the module that a program, metric or signature lives in."""


class Blame(StrEnum):
    """Whose fault a failure is, and so what becomes of it (DESIGN §3, rule 3)."""

    INFRASTRUCTURE = "infrastructure"
    """Rate limits, timeouts, servers, networks, disks: wait and try again, never score."""
    SETUP = "setup"
    """Wrong key, unknown model, no LM: no example can succeed, so the run stops and says why."""
    PROGRAM = "program"
    """The program's own failure on this example: `failure_score`, and listed with its error."""


_INFRASTRUCTURE = (LMRateLimitError, LMTimeoutError, LMServerError, LMTransportError, LMUnexpectedError, StoreError)
_SETUP = (LMConfigurationError, LMAuthError, LMBillingError, LMUnsupportedModelError, ProgramNotAvailableError)


def blame(error: BaseException) -> Blame:
    """Say whose fault `error` is."""
    if isinstance(error, NotInStoreError):
        return Blame.SETUP
    if isinstance(error, _INFRASTRUCTURE):
        return Blame.INFRASTRUCTURE
    if isinstance(error, _SETUP):
        return Blame.SETUP
    return Blame.PROGRAM


def is_retryable_lm_error(error: BaseException) -> bool:
    """Whether the same call may succeed later (DSPy's function of this name)."""
    return isinstance(error, LMError) and blame(error) is Blame.INFRASTRUCTURE
