"""Why a request is not answered, in no provider's words; each dialect says it in its own."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """What is wrong."""

    BAD_REQUEST = "bad request"
    NO_KEY = "no key"
    WRONG_KEY = "wrong key"
    NO_PATH = "no path"
    NO_METHOD = "no method"
    NO_MODEL = "no model"
    NO_SUCH = "no such thing"
    TOO_LONG = "too long"
    REQUESTS = "too many requests"
    TOKENS = "too many tokens"
    SERVER = "server"
    OVERLOADED = "overloaded"


class RefusedError(Exception):
    """A request that is answered with an error. `param` names the part at fault, `wait` is in seconds."""

    def __init__(self, reason: Reason, message: str, *, param: str | None = None, wait: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.param = param
        self.wait = wait


class BadRequestError(RefusedError):
    """The request is not one that the API accepts; `param` names the part at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(Reason.BAD_REQUEST, message, param=param)
