"""The events of Anthropic's stream as OpenAI's chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dspex.clients.wires.anthropic.answer import FINISH_REASONS, usage_of

Chunk = dict[str, Any]


class AnthropicEvents:
    """Reads the events of one stream. An `EventReader`."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {"object": "chat.completion.chunk"}
        self._usage: dict[str, Any] = {}
        self._calls = 0
        self._blocks: dict[int, dict[str, Any]] = {}

    def read(self, event: dict[str, Any]) -> list[Chunk]:
        """Translate `event` into chunks in OpenAI's shape; there may be none."""
        index = event.get("index") or 0
        match event.get("type"):
            case "message_start":
                message = event.get("message") or {}
                self._head |= {"id": message.get("id"), "model": message.get("model")}
                self._usage |= message.get("usage") or {}
                return [self._chunk({"role": "assistant", "content": ""})]
            case "content_block_start":
                return self._start(index, event.get("content_block") or {})
            case "content_block_delta":
                return self._more(index, event.get("delta") or {})
            case "content_block_stop":
                return self._stop(index)
            case "message_delta":
                return self._end(event)
        return []

    def whole(self) -> None:
        """Return None: this API streams pieces only."""

    def _start(self, index: int, block: Mapping[str, Any]) -> list[Chunk]:
        self._blocks[index] = dict(block)
        if block.get("type") == "tool_use":
            self._blocks[index]["call"] = self._calls
            self._calls += 1
            function = {"name": block.get("name"), "arguments": ""}
            return [self._call_chunk(index, {"id": block.get("id"), "type": "function", "function": function})]
        if block.get("type") == "text" and block.get("text"):
            return [self._chunk({"content": block["text"]})]
        return []

    def _more(self, index: int, delta: Mapping[str, Any]) -> list[Chunk]:
        block = self._blocks.setdefault(index, {})
        match delta.get("type"):
            case "text_delta":
                block["text"] = (block.get("text") or "") + delta.get("text", "")
                return [self._chunk({"content": delta.get("text", "")})]
            case "thinking_delta":
                block["thinking"] = (block.get("thinking") or "") + delta.get("thinking", "")
                return [self._chunk({"reasoning_content": delta.get("thinking", "")})]
            case "signature_delta":
                block["signature"] = delta.get("signature")
            case "input_json_delta":
                block["begun"] = True
                return [self._call_chunk(index, {"function": {"arguments": delta.get("partial_json", "")}})]
            case "citations_delta":
                return [self._chunk({"provider_specific_fields": {"citation": delta.get("citation")}})]
        return []

    def _stop(self, index: int) -> list[Chunk]:
        block = self._blocks.get(index, {})
        if block.get("type") in ("thinking", "redacted_thinking"):
            return [self._chunk({"thinking_blocks": [block]})]
        if block.get("type") == "tool_use" and not block.get("begun"):
            arguments = orjson.dumps(block.get("input") or {}).decode()
            return [self._call_chunk(index, {"function": {"arguments": arguments}})]
        return []

    def _end(self, event: Mapping[str, Any]) -> list[Chunk]:
        self._usage |= {name: value for name, value in (event.get("usage") or {}).items() if value is not None}
        reason = (event.get("delta") or {}).get("stop_reason")
        chunk = self._chunk({}, FINISH_REASONS.get(reason or "", reason))
        return [{**chunk, "usage": usage_of(self._usage)}]

    def _call_chunk(self, index: int, piece: dict[str, Any]) -> Chunk:
        return self._chunk({"tool_calls": [{"index": self._blocks[index].get("call", 0), **piece}]})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> Chunk:
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
