"""Anthropic's message as a chat completion of OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def as_completion(message: Mapping[str, Any]) -> dict[str, Any]:
    """Translate `message` into a completion with one choice."""
    reason = message.get("stop_reason")
    choice = {
        "index": 0,
        "message": _message(message["content"]),
        "finish_reason": FINISH_REASONS.get(reason or "", reason or "stop"),
    }
    completion: dict[str, Any] = {
        "id": message.get("id"),
        "object": "chat.completion",
        "model": message.get("model"),
        "choices": [choice],
    }
    usage = message.get("usage")
    if isinstance(usage, Mapping):
        completion["usage"] = usage_of(usage)
    return completion


def _message(blocks: list[Any]) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    signed: list[Any] = []
    calls: list[dict[str, Any]] = []
    citations: list[Any] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(block.get("text") or "")
            if block.get("citations"):
                citations.append([_citation(one, texts[-1]) for one in block["citations"]])
        elif kind == "tool_use":
            calls.append(_call(block))
        elif kind == "thinking":
            thoughts.append(block.get("thinking") or "")
            signed.append(block)
        elif kind == "redacted_thinking":
            signed.append(block)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    if calls:
        message["tool_calls"] = calls
    if citations:
        message["provider_specific_fields"] = {"citations": citations}
    return message


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = orjson.dumps(block.get("input") or {}).decode()
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


def _citation(citation: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A citation with the text that it supports, which Anthropic tells by where the citation stands."""
    return {**citation, "supported_text": text}


def usage_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Anthropic counts tokens that came from its cache, or went into it, apart; OpenAI among the others."""
    fresh = usage.get("input_tokens") or 0
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    answered = usage.get("output_tokens") or 0
    prompt = fresh + read + written
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": answered,
        "total_tokens": prompt + answered,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
    }
    by_time = usage.get("cache_creation")
    if written and isinstance(by_time, Mapping):
        found["prompt_tokens_details"]["cache_creation_token_details"] = dict(by_time)
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    if thought is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": thought}
    if usage.get("service_tier"):
        found["service_tier"] = usage["service_tier"]
    return found
