"""The events of a stream of OpenAI's Responses API as chunks of its chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dspex.errors import (
    ContextWindowExceededError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMUnexpectedError,
)

_TEXTS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning_content",
    "response.reasoning_text.delta": "reasoning_content",
}
_ENDS = ("response.completed", "response.incomplete")
_FAILURES: dict[str, type[LMError]] = {
    "context_length_exceeded": ContextWindowExceededError,
    "insufficient_quota": LMBillingError,
    "invalid_prompt": LMInvalidRequestError,
    "rate_limit_exceeded": LMRateLimitError,
    "server_error": LMServerError,
    "vector_store_timeout": LMServerError,
}


class ResponsesEvents:
    """Reads the events of one stream; the last of them brings the whole answer."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {"object": "chat.completion.chunk"}
        self._calls: dict[int, int] = {}
        self._whole: dict[str, Any] | None = None

    def read(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Translate `event` into chunks in OpenAI's shape; there may be none.

        Raises:
            LMError: the answer has failed.
        """
        kind = event.get("type", "")
        if kind in _TEXTS:
            return [self._chunk({_TEXTS[kind]: event.get("delta", "")})]
        if kind == "response.created":
            response = event.get("response") or {}
            self._head |= {"id": response.get("id"), "model": response.get("model")}
        elif kind == "response.output_item.added":
            return self._begin(event)
        elif kind == "response.function_call_arguments.delta":
            index = self._calls.get(event.get("output_index") or 0, 0)
            return [self._chunk({"tool_calls": [{"index": index, "function": {"arguments": event.get("delta", "")}}]})]
        elif kind in _ENDS:
            self._whole = event.get("response") or {}
            reason = "stop" if kind == _ENDS[0] else "length"
            return [self._chunk({}, "tool_calls" if self._calls and reason == "stop" else reason)]
        elif kind in ("response.failed", "error"):
            raise failure((event.get("response") or {}).get("error") or event)
        return []

    def whole(self) -> dict[str, Any] | None:
        """Return the answer as it would have come in one piece."""
        return self._whole

    def _begin(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        item = event.get("item") or {}
        if item.get("type") != "function_call":
            return []
        index = self._calls[event.get("output_index") or 0] = len(self._calls)
        function = {"name": item.get("name"), "arguments": ""}
        call = {"index": index, "id": item.get("call_id"), "type": "function", "function": function}
        return [self._chunk({"tool_calls": [call]})]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def failure(error: Any) -> LMError:
    """Return the error that the ``error`` of a failed answer means."""
    code = str(error.get("code") or "") if isinstance(error, Mapping) else ""
    words = str(error.get("message") or error) if isinstance(error, Mapping) else str(error)
    found = _FAILURES.get(code, LMUnexpectedError)(f"The answer is an error: {words}")
    found.provider_code = code or None
    return found
