"""Anthropic's keys, errors and headers: ``x-api-key``, ``{"type": "error", ...}``, 529, ``anthropic-ratelimit-*``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex_practice.api.clock import rfc3339
from dspex_practice.api.dialect import Level, Levels, bearer
from dspex_practice.model.errors import Reason, RefusedError

_INVALID = (400, "invalid_request_error")
_MISSING = (404, "not_found_error")
_ERRORS: dict[Reason, tuple[int, str]] = {
    Reason.BAD_REQUEST: _INVALID,
    Reason.NO_KEY: (401, "authentication_error"),
    Reason.WRONG_KEY: (401, "authentication_error"),
    Reason.NO_PATH: _MISSING,
    Reason.NO_METHOD: (405, "invalid_request_error"),
    Reason.NO_MODEL: _MISSING,
    Reason.NO_SUCH: _MISSING,
    Reason.TOO_LONG: _INVALID,
    Reason.REQUESTS: (429, "rate_limit_error"),
    Reason.TOKENS: (429, "rate_limit_error"),
    Reason.SERVER: (500, "api_error"),
    Reason.OVERLOADED: (529, "overloaded_error"),
}
"""Status and type."""


class _Anthropic:
    name = "anthropic"

    def keys(self, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
        return [key for key in (headers.get("x-api-key", ""), bearer(headers)) if key]

    def status(self, refusal: RefusedError) -> int:
        return _ERRORS[refusal.reason][0]

    def error(self, refusal: RefusedError) -> bytes:
        return orjson.dumps(self.error_object(refusal))

    def error_object(self, refusal: RefusedError) -> dict[str, Any]:
        message = str(refusal)
        if refusal.param and not message.startswith(refusal.param):
            message = f"{refusal.param}: {message}"
        kind = _ERRORS[refusal.reason][1]
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}

    def headers(self, digest: bytes) -> dict[str, str]:
        return {"request-id": f"req_practice_{digest.hex()}"}

    def limits(self, levels: Levels, now: float) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, level in (("requests", levels.requests), ("tokens", levels.tokens)):
            if level is not None:
                found |= _headers(name, level, now)
        if levels.tokens is not None:
            found |= _headers("input-tokens", levels.tokens, now)
        return found


def _headers(name: str, level: Level, now: float) -> dict[str, str]:
    prefix = f"anthropic-ratelimit-{name}"
    return {
        f"{prefix}-limit": str(level.limit),
        f"{prefix}-remaining": str(level.remaining),
        f"{prefix}-reset": rfc3339(now + level.reset),
    }


ANTHROPIC = _Anthropic()
