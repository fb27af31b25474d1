"""OpenAI's keys, errors and headers: bearer keys, ``{"error": {...}}``, ``x-ratelimit-*``."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from dspex_practice.api.dialect import Levels, bearer
from dspex_practice.model.errors import Reason, RefusedError

_INVALID = "invalid_request_error"
_ERRORS: dict[Reason, tuple[int, str, str | None]] = {
    Reason.BAD_REQUEST: (400, _INVALID, None),
    Reason.NO_KEY: (401, _INVALID, None),
    Reason.WRONG_KEY: (401, _INVALID, "invalid_api_key"),
    Reason.NO_PATH: (404, _INVALID, None),
    Reason.NO_METHOD: (405, _INVALID, None),
    Reason.NO_MODEL: (404, _INVALID, "model_not_found"),
    Reason.NO_SUCH: (404, _INVALID, None),
    Reason.TOO_LONG: (400, _INVALID, "context_length_exceeded"),
    Reason.REQUESTS: (429, "requests", "rate_limit_exceeded"),
    Reason.TOKENS: (429, "tokens", "rate_limit_exceeded"),
    Reason.SERVER: (500, "server_error", None),
    Reason.OVERLOADED: (503, "server_error", None),
}
"""Status, type and code."""


class _OpenAI:
    name = "openai"

    def keys(self, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
        return [key for key in (bearer(headers), headers.get("api-key", "")) if key]  # the second is Azure's

    def status(self, refusal: RefusedError) -> int:
        return _ERRORS[refusal.reason][0]

    def error(self, refusal: RefusedError) -> bytes:
        _, kind, code = _ERRORS[refusal.reason]
        return orjson.dumps({"error": {"message": str(refusal), "type": kind, "param": refusal.param, "code": code}})

    def headers(self, digest: bytes) -> dict[str, str]:
        return {"x-request-id": f"req_practice_{digest.hex()}"}

    def limits(self, levels: Levels, now: float) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, level in (("requests", levels.requests), ("tokens", levels.tokens)):
            if level is not None:
                found[f"x-ratelimit-limit-{name}"] = str(level.limit)
                found[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
                found[f"x-ratelimit-reset-{name}"] = f"{level.reset:.3f}s"
        return found


OPENAI = _OpenAI()
