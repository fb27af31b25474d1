"""The errors of dspex, and their kinds.

The names of the LM errors are DSPy's (``dspy.utils.exceptions``), so that user code that catches them keeps working.
`classify` sorts every failure into a `FailureKind`, which says whether to retry, stop or score it: an outage of the
infrastructure must never look like a program's wrong answer.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from enum import StrEnum
from typing import Any


class DSPyError(Exception):
    """Base of every error that dspex raises on purpose.

    Args:
        message: What went wrong; `str` shows it after the model's name in brackets.
        code: A stable name of the kind of failure, by default the class's `default_code`.
        model: The model that was asked.
        provider: The provider that answered.
        provider_code: The provider's own code of the failure.
        status: The HTTP status, where there was one.
        request_id: The provider's id of the request.
        retry_after: How long the provider asked to wait, in seconds.
    """

    default_code: str | None = None

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        provider_code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message
        self.code = code or self.default_code
        self.model = model
        self.provider = provider
        self.provider_code = provider_code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(" ".join(part for part in (f"[{model}]" if model else "", message) if part))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the attributes too: `args` holds the text alone."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(cls: type[DSPyError], args: tuple[Any, ...], attributes: dict[str, Any]) -> DSPyError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class UsageError(DSPyError, ValueError):
    """The caller's arguments are wrong; nothing was run. The message says what to change."""


class LMError(DSPyError):
    """A language-model call failed."""

    default_code = "lm_error"
    final = False
    """Whether the client must not try again, whatever the failure: part of the answer has reached the user already."""


class LMTransportError(LMError):
    """The connection failed before a complete answer arrived."""

    default_code = "transport"


class LMLockTimeoutError(LMError):
    """The lock of a file could not be acquired in time.

    Args:
        message: What happened.
        path: The file.
        lock_path: The file on this machine that is the lock.
        **kwargs: As for `DSPyError`.
    """

    default_code = "lock_timeout"

    def __init__(self, message: str = "", *, path: str = "", lock_path: str = "", **kwargs: Any) -> None:
        self.path = path
        self.lock_path = lock_path
        super().__init__(message, **kwargs)


class LMCollectionLimitError(LMError):
    """An answer exceeded a limit on its size. Asking again would not help.

    Args:
        message: What happened.
        source: The error of the code that gathered the answer. These attributes are read from it: `limit`, `maximum`,
            `retained_bytes`, `retained_events`, `partial_events`, `rejected_event` and `partial`.
        **kwargs: As for `DSPyError`.
    """

    default_code = "collection_limit"

    def __init__(self, message: str = "", *, source: Any = None, **kwargs: Any) -> None:
        self._source = source
        self.limit = getattr(source, "limit", None)
        self.maximum = getattr(source, "maximum", None)
        self.retained_bytes = getattr(source, "retained_bytes", 0)
        self.retained_events = getattr(source, "retained_events", 0)
        self.partial_events = getattr(source, "partial_events", ())
        self.rejected_event = getattr(source, "rejected_event", None)
        super().__init__(message, **kwargs)

    @property
    def partial(self) -> Any:
        """The part of the answer that arrived; assembled when it is read."""
        return None if self._source is None else self._source.partial


class LMConfigurationError(LMError):
    """The LM is set up wrongly; no call was made."""

    default_code = "configuration"


class LMNotConfiguredError(LMConfigurationError, ValueError):
    """No LM is configured."""

    default_code = "not_configured"


class LMUnsupportedFeatureError(LMError):
    """The model or the provider does not support a requested feature.

    Args:
        message: What happened.
        features: The features, or
        feature: the one feature.
        issues: Why they are not supported.
        **kwargs: As for `DSPyError`.
    """

    default_code = "unsupported_feature"

    def __init__(
        self,
        message: str = "",
        *,
        features: Sequence[str] | None = None,
        feature: str | None = None,
        issues: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        one = [] if feature is None else [feature]
        self.feature = feature
        self.features = one if features is None else list(features)
        self.issues = list(issues or ())
        super().__init__(message, **kwargs)


class LMProviderError(LMError):
    """The provider answered with an error."""

    default_code = "provider"


class LMAuthError(LMProviderError):
    """401 or 403: the key is missing, wrong, or not allowed to use the model."""

    default_code = "auth"


class LMBillingError(LMProviderError):
    """402, or a 429 that says that the account's quota is used up: waiting does not help."""

    default_code = "billing"


class LMRateLimitError(LMProviderError):
    """429: too many requests or tokens per minute."""

    default_code = "rate_limit"

    shared_wait = False
    """Whether the client delays every call to the endpoint by `retry_after`, and not this call alone."""


class LMInvalidRequestError(LMProviderError):
    """400 or 422: the provider does not accept the request."""

    default_code = "invalid_request"


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is longer than the model's context window.

    Args:
        message: What the provider said.
        model: The model.
        **kwargs: As for `DSPyError`.
    """

    default_code = "context_window_exceeded"

    def __init__(self, message: str = "Context window exceeded", *, model: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, model=model, **kwargs)


class LMUnsupportedModelError(LMInvalidRequestError):
    """404: the provider does not know the model, or the URL is wrong."""

    default_code = "unsupported_model"


class LMTimeoutError(LMProviderError):
    """No complete answer arrived within the timeout."""

    default_code = "timeout"


class LMServerError(LMProviderError):
    """5xx: the provider failed."""

    default_code = "server"


class LMUnexpectedError(LMError):
    """The provider's response cannot be read: wrong content type, malformed or truncated JSON."""

    default_code = "unexpected"


class LMStreamAssemblyError(LMUnexpectedError):
    """A stream broke off or was malformed.

    Args:
        message: What happened.
        partial: What had arrived by then.
        part_index: The part of the answer at which it happened.
        **kwargs: As for `DSPyError`.
    """

    default_code = "stream_assembly"

    def __init__(self, message: str = "", *, partial: Any = None, part_index: int | None = None, **kwargs: Any) -> None:
        self.partial = partial
        self.part_index = part_index
        super().__init__(message, **kwargs)


class AdapterParseError(DSPyError):
    """The LM's answer does not hold the output fields of the signature. Its attributes are named as in DSPy.

    Args:
        adapter_name: The class of the adapter.
        signature: The signature that was asked.
        lm_response: The text of the answer.
        message: What is wrong with it, if there is more to say.
        parsed_result: The outputs that could be read, by name.
    """

    default_code = "adapter_parse_error"

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


class StoreError(DSPyError):
    """The store cannot be read or written at the moment."""


class StoreFullError(StoreError):
    """The disk or the database that holds the store has no room left."""


class NotInStoreError(StoreError):
    """The store does not hold what a run refers to. Hosts of one run must share one store (`DSPEX_STORE`)."""


class ProgramNotAvailableError(DSPyError):
    """This process has not imported the module that defines a program, metric or signature."""


class BudgetExceededError(DSPyError):
    """A call was not made, because it would exceed the budget of its run (`run_id`). Raise the budget to go on."""

    default_code = "budget_exceeded"
    run_id: str | None = None


class FailureKind(StrEnum):
    """The cause of a failure, which decides what happens next."""

    INFRASTRUCTURE = "infrastructure"
    """Rate limits, timeouts, servers, networks, disks: wait and retry; never scored."""
    SETUP = "setup"
    """Wrong key, unknown model, no LM: no example can succeed, so the run stops with this error."""
    BUDGET = "budget"
    """The budget is spent: the run stops with its best candidate, or waits for a larger budget; never scored."""
    PROGRAM = "program"
    """The program itself failed on this example: scored with `failure_score`, and listed with its error."""


_INFRASTRUCTURE = (
    LMRateLimitError,
    LMTimeoutError,
    LMServerError,
    LMTransportError,
    LMLockTimeoutError,
    LMUnexpectedError,
    StoreError,
)
_SETUP = (LMConfigurationError, LMAuthError, LMBillingError, LMUnsupportedModelError, ProgramNotAvailableError)


def classify(error: BaseException) -> FailureKind:
    """Sort the failure `error` into its kind."""
    if isinstance(error, BudgetExceededError):
        return FailureKind.BUDGET
    if isinstance(error, NotInStoreError):
        return FailureKind.SETUP
    if isinstance(error, _INFRASTRUCTURE):
        return FailureKind.INFRASTRUCTURE
    if isinstance(error, _SETUP):
        return FailureKind.SETUP
    return FailureKind.PROGRAM


def may_pass(error: BaseException) -> bool:
    """Say whether the same LM call may succeed later, so that the client retries it."""
    return isinstance(error, LMError) and classify(error) is FailureKind.INFRASTRUCTURE


_RETRYABLE = (LMRateLimitError, LMTimeoutError, LMServerError, LMTransportError, LMLockTimeoutError)


def is_retryable_lm_error(error: BaseException) -> bool:
    """Say whether `error` is transient by DSPy's list (its function of this name).

    The client also retries unreadable responses (`LMUnexpectedError`): see `may_pass`.
    """
    return isinstance(error, _RETRYABLE)


def format_error_for_lm(error: BaseException, *, traceback_frames: int = 0) -> str:
    """`error` as text for a prompt.

    Args:
        error: The error.
        traceback_frames: How many frames of its traceback to show, from the first one on; 0 for the message alone.
    """
    if traceback_frames <= 0:
        return str(error)
    lines = traceback.format_exception(type(error), error, error.__traceback__, limit=traceback_frames)
    return "\n" + "".join(lines).strip()
