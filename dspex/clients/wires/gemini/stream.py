"""The events of Gemini's stream, each a piece of an answer in its own shape, as OpenAI's chunks."""

from __future__ import annotations

from typing import Any

from dspex.clients.wires.gemini.answer import finish_reason, logprobs_of, read_parts, usage_of
from dspex.clients.wires.gemini.errors import blocked


class GeminiEvents:
    """Reads the events of one stream. An `EventReader`."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def read(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Translate `event` into chunks in OpenAI's shape; there may be none.

        Raises:
            LMInvalidRequestError: the prompt was blocked.
        """
        refusal = blocked(event)
        if refusal is not None:
            raise refusal
        head = {"id": event.get("responseId"), "object": "chat.completion.chunk", "model": event.get("modelVersion")}
        cited: list[dict[str, Any]] = []
        choices = [self._choice(one, event.get("responseId"), cited) for one in event.get("candidates") or ()]
        chunk: dict[str, Any] = {**head, "choices": choices}
        if event.get("usageMetadata"):
            chunk["usage"] = usage_of(event["usageMetadata"])
        return [*({**head, "choices": [one]} for one in cited), chunk]

    def whole(self) -> None:
        """None: this API streams pieces only."""

    def _choice(self, candidate: dict[str, Any], response_id: Any, cited: list[dict[str, Any]]) -> dict[str, Any]:
        """A candidate's piece; its citations, each a piece of its own, go into `cited`."""
        index = candidate.get("index") or 0
        before = self._calls.get(index, 0)
        delta = {"role": "assistant", **read_parts(candidate, f"{response_id or 'call'}_{index}", before)}
        calls = delta.get("tool_calls") or []
        for position, call in enumerate(calls, before):
            call["index"] = position
        self._calls[index] = before + len(calls)
        for citation in delta.pop("provider_specific_fields", {"citations": [[]]})["citations"][0]:
            piece = {"provider_specific_fields": {"citation": citation}}
            cited.append({"index": index, "delta": piece, "finish_reason": None})
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason(candidate, self._calls[index] > 0)}
        if candidate.get("logprobsResult"):
            choice["logprobs"] = logprobs_of(candidate["logprobsResult"])
        return choice
