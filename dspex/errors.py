"""What can go wrong, by name, and whose fault it is.

The names of the LM errors are DSPy's (``dspy.utils.exceptions``), so that user code that catches them keeps working.
What is ours is `classify`: every failure is of the infrastructure (retried, never scored), of the set-up (the run
stops at once), or the program's own (scored as a failure and listed).
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
        provider: Who answered.
        provider_code: The provider's own name of the failure.
        status: The HTTP status, where there was one.
        request_id: By which the provider knows the request.
        retry_after: The seconds that the provider asked us to wait.
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
        """Rebuilt from its attributes: its constructor takes more than the text that `args` holds."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(cls: type[DSPyError], args: tuple[Any, ...], attributes: dict[str, Any]) -> DSPyError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class UsageError(DSPyError, ValueError):
    """The caller asked for something that cannot be; nothing was run. The message says what to change."""


class LMError(DSPyError):
    """A language-model call failed."""

    default_code = "lm_error"
    final = False
    """Whether the client must not try again, whatever it was: part of the answer has been shown already."""


class LMTransportError(LMError):
    """The connection failed before a whole answer came."""

    default_code = "transport"


class LMLockTimeoutError(LMError):
    """A lock on this machine was not had in time: that of `path`, held through `lock_path`."""

    default_code = "lock_timeout"

    def __init__(self, message: str = "", *, path: str = "", lock_path: str = "", **kwargs: Any) -> None:
        self.path = path
        self.lock_path = lock_path
        super().__init__(message, **kwargs)


class LMCollectionLimitError(LMError):
    """An answer grew beyond what may be gathered of it. Asking again would not help.

    What is known is read from `source`, the error at the place where it was gathered: `limit`, `maximum`,
    `retained_bytes`, `retained_events`, `partial_events`, `rejected_event` and `partial`.
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
        """What there was of the answer; only put together when it is read."""
        return None if self._source is None else self._source.partial


class LMConfigurationError(LMError):
    """The LM is set up wrongly; no call was made."""

    default_code = "configuration"


class LMNotConfiguredError(LMConfigurationError, ValueError):
    """There is no LM to call."""

    default_code = "not_configured"


class LMUnsupportedFeatureError(LMError):
    """The model or the provider cannot do what is asked: `features` (`feature`, if it is one), because of `issues`."""

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
    """429: too many requests or tokens just now."""

    default_code = "rate_limit"

    shared_wait = False
    """Whether the client holds back every call to the endpoint for `retry_after`, and not this one alone."""


class LMInvalidRequestError(LMProviderError):
    """400 or 422: the provider does not accept the request."""

    default_code = "invalid_request"


class ContextWindowExceededError(LMInvalidRequestError):
    """The prompt is longer than the model's context window."""

    default_code = "context_window_exceeded"

    def __init__(self, message: str = "Context window exceeded", *, model: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, model=model, **kwargs)


class LMUnsupportedModelError(LMInvalidRequestError):
    """404: the provider does not know the model, or the URL is wrong."""

    default_code = "unsupported_model"


class LMTimeoutError(LMProviderError):
    """No whole answer within the time allowed."""

    default_code = "timeout"


class LMServerError(LMProviderError):
    """5xx: the provider failed."""

    default_code = "server"


class LMUnexpectedError(LMError):
    """The provider answered something that is not an answer (wrong content type, malformed or truncated JSON)."""

    default_code = "unexpected"


class LMStreamAssemblyError(LMUnexpectedError):
    """A stream broke off or made no sense. `partial` is what had come by then, up to part `part_index`."""

    default_code = "stream_assembly"

    def __init__(self, message: str = "", *, partial: Any = None, part_index: int | None = None, **kwargs: Any) -> None:
        self.partial = partial
        self.part_index = part_index
        super().__init__(message, **kwargs)


class AdapterParseError(DSPyError):
    """The LM's answer does not hold the output fields of the signature.

    Attributes as DSPy names them: `adapter_name`, `signature`, `lm_response`, `parsed_result`.
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
    """The store cannot be read or written just now."""


class StoreFullError(StoreError):
    """The disk or the database that holds the store has no room left."""


class NotInStoreError(StoreError):
    """The store holds no such thing. Hosts of one run must share one store (`DSPEX_STORE`)."""


class ProgramNotAvailableError(DSPyError):
    """This process has not imported the module that a program, metric or signature lives in."""


class BudgetExceededError(DSPyError):
    """A call was not made, because the budget of its run (`run_id`) has no room for it. Raise the budget to go on."""

    default_code = "budget_exceeded"
    run_id: str | None = None


class FailureKind(StrEnum):
    """Whose fault a failure is, and so what becomes of it (DESIGN §3, rule 3)."""

    INFRASTRUCTURE = "infrastructure"
    """Rate limits, timeouts, servers, networks, disks: wait and try again, never score."""
    SETUP = "setup"
    """Wrong key, unknown model, no LM: no example can succeed, so the run stops and says why."""
    BUDGET = "budget"
    """The run may not spend more: it stops with the best so far, or waits for a bigger budget; never scored."""
    PROGRAM = "program"
    """The program's own failure on this example: `failure_score`, and listed with its error."""


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
    """Say whose fault `error` is."""
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
    """Whether the same LM call may succeed later: what the client tries again."""
    return isinstance(error, LMError) and classify(error) is FailureKind.INFRASTRUCTURE


_RETRYABLE = (LMRateLimitError, LMTimeoutError, LMServerError, LMTransportError, LMLockTimeoutError)


def is_retryable_lm_error(error: BaseException) -> bool:
    """Whether `error` is one of those that pass by themselves (DSPy's function of this name, and its list).

    The client itself also tries again what was no answer at all (`LMUnexpectedError`): see `may_pass`.
    """
    return isinstance(error, _RETRYABLE)


def format_error_for_lm(error: BaseException, *, traceback_frames: int = 0) -> str:
    """`error` in words for a prompt: its message or, on a line of its own, its traceback's first frames."""
    if traceback_frames <= 0:
        return str(error)
    lines = traceback.format_exception(type(error), error, error.__traceback__, limit=traceback_frames)
    return "\n" + "".join(lines).strip()
