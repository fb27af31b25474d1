"""Google's keys, errors and headers: ``x-goog-api-key``, ``google.rpc.Status`` errors whose details say what to do.

As there, a wrong key is a 400 (``API_KEY_INVALID``) and a missing one a 403; no header tells the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex_practice.api.dialect import Levels, bearer
from dspex_practice.model.errors import Reason, RefusedError

_INVALID = (400, "INVALID_ARGUMENT")
_MISSING = (404, "NOT_FOUND")
_ERRORS: dict[Reason, tuple[int, str]] = {
    Reason.BAD_REQUEST: _INVALID,
    Reason.NO_KEY: (403, "PERMISSION_DENIED"),
    Reason.WRONG_KEY: _INVALID,
    Reason.NO_PATH: _MISSING,
    Reason.NO_METHOD: _MISSING,
    Reason.NO_MODEL: _MISSING,
    Reason.NO_SUCH: _MISSING,
    Reason.TOO_LONG: _INVALID,
    Reason.REQUESTS: (429, "RESOURCE_EXHAUSTED"),
    Reason.TOKENS: (429, "RESOURCE_EXHAUSTED"),
    Reason.SERVER: (500, "INTERNAL"),
    Reason.OVERLOADED: (503, "UNAVAILABLE"),
}
"""Status and its name."""
_TYPES = "type.googleapis.com/google.rpc."


class _Gemini:
    name = "gemini"

    def keys(self, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
        return [key for key in (headers.get("x-goog-api-key", ""), query.get("key", ""), bearer(headers)) if key]

    def status(self, refusal: RefusedError) -> int:
        return _ERRORS[refusal.reason][0]

    def error(self, refusal: RefusedError) -> bytes:
        return orjson.dumps({"error": self.error_object(refusal)})

    def error_object(self, refusal: RefusedError) -> dict[str, Any]:
        code, status = _ERRORS[refusal.reason]
        error: dict[str, Any] = {"code": code, "message": str(refusal), "status": status}
        if details := _details(refusal):
            error["details"] = details
        return error

    def headers(self, digest: bytes) -> dict[str, str]:
        return {}

    def limits(self, levels: Levels, now: float) -> dict[str, str]:
        return {}


def _details(refusal: RefusedError) -> list[dict[str, Any]]:
    if refusal.reason is Reason.WRONG_KEY:
        domain = {"domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}
        return [{"@type": f"{_TYPES}ErrorInfo", "reason": "API_KEY_INVALID", **domain}]
    if refusal.wait:
        return [{"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{refusal.wait:.3f}s"}]
    if refusal.param:
        violation = {"field": refusal.param, "description": str(refusal)}
        return [{"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}]
    return []


GEMINI = _Gemini()
