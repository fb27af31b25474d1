"""`StreamAssembler`: the whole answer from the chunks of a stream."""

from __future__ import annotations

from typing import Any

_TEXTS = ("content", "refusal", "reasoning_content")
_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")


class StreamAssembler:
    """Gathers OpenAI's ``chat.completion.chunk`` objects (or those of text completions) into a completion."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Add the next chunk."""
        for name in _HEAD:
            if chunk.get(name) is not None:
                self._head.setdefault(name, chunk[name])
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            self._choices.setdefault(index, _Choice()).add(choice)

    def is_finished(self) -> bool:
        """Tell whether every answer has said why it ended."""
        return bool(self._choices) and all(choice.finish_reason is not None for choice in self._choices.values())

    def completion(self) -> dict[str, Any]:
        """Return the answer as it would have come in one piece."""
        choices = [{"index": index, **self._choices[index].whole()} for index in sorted(self._choices)]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": self._usage}


class _Choice:
    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._is_chat = True
        self._role = "assistant"
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._citations: list[Any] = []
        self._annotations: list[Any] = []
        self._thinking: list[Any] = []
        self._logprobs: dict[str, Any] | None = None

    def add(self, choice: dict[str, Any]) -> None:
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if isinstance(choice.get("logprobs"), dict):
            self._add_logprobs(choice["logprobs"])
        delta = choice.get("delta") or {}
        if "text" in choice:
            self._is_chat = False
            delta = {"content": choice["text"]}
        self._role = delta.get("role") or self._role
        for name in _TEXTS:
            if text := delta.get(name):
                self._texts.setdefault(name, []).append(text)
        for position, call in enumerate(delta.get("tool_calls") or ()):
            self._add_call(call, position)
        citation = (delta.get("provider_specific_fields") or {}).get("citation")
        if citation is not None:
            self._citations.append([citation])
        self._annotations += delta.get("annotations") or ()
        self._thinking += delta.get("thinking_blocks") or ()

    def whole(self) -> dict[str, Any]:
        text = {name: "".join(pieces) for name, pieces in self._texts.items()}
        ending = {"logprobs": self._logprobs, "finish_reason": self.finish_reason}
        if not self._is_chat:
            return {"text": text.get("content", ""), **ending}
        calls = [self._calls[index] for index in sorted(self._calls)]
        message: dict[str, Any] = {"role": self._role, "content": None if calls else "", **text}
        if self._thinking:
            message["thinking_blocks"] = self._thinking
        if calls:
            message["tool_calls"] = calls
        if self._citations:
            message["provider_specific_fields"] = {"citations": self._citations}
        if self._annotations:
            message["annotations"] = self._annotations
        return {"message": message, **ending}

    def _add_call(self, piece: dict[str, Any], position: int) -> None:
        index = piece.get("index")
        index = position if index is None else index
        call = self._calls.setdefault(index, {"type": "function", "function": {"name": "", "arguments": ""}})
        if piece.get("id"):
            call["id"] = piece["id"]
        if piece.get("provider_specific_fields"):
            call["provider_specific_fields"] = piece["provider_specific_fields"]
        function = piece.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""

    def _add_logprobs(self, piece: dict[str, Any]) -> None:
        whole = self._logprobs = self._logprobs or {}
        for name, value in piece.items():
            if isinstance(value, list) and isinstance(whole.get(name), list):
                whole[name] = whole[name] + value
            elif whole.get(name) is None:
                whole[name] = value
