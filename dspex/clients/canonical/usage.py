"""`TokenCounts`: the tokens of a call by kind, from the usage that providers report in various shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The tokens of one call.

    Attributes:
        prompt: All tokens that were sent.
        cached: Those of `prompt` that were read from the provider's cache.
        cache_write: Those of `prompt` that were written to the provider's cache.
        completion: All tokens that came back.
        reasoning: Those of `completion` that were thought and not shown.
        cache_write_1h: Those of `cache_write` that are cached for an hour.
        prompt_audio: The audio in `prompt`, which has a price of its own.
        completion_audio: The audio in `completion`.
    """

    prompt: int = 0
    cached: int = 0
    cache_write: int = 0
    completion: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0
    prompt_audio: int = 0
    completion_audio: int = 0


def token_counts(usage: Mapping[str, Any]) -> TokenCounts:
    """Count the tokens in a usage of OpenAI's (either API), Anthropic's or Gemini's shape; 0 where none is reported."""
    if len(usage) == 3 and "total_tokens" in usage and type(usage.get("prompt_tokens")) is int:
        return TokenCounts(
            prompt=usage["prompt_tokens"], completion=_first(usage, "completion_tokens")
        )  # most servers'
    if "promptTokenCount" in usage or "totalTokenCount" in usage:
        return _of_gemini(usage)
    details = _details(usage, "prompt_tokens_details", "input_tokens_details")
    cached = _first(details, "cached_tokens") or _first(usage, "cache_read_input_tokens", "prompt_cache_hit_tokens")
    written = _first(details, "cache_creation_tokens", "cache_write_tokens")
    written = written or _first(usage, "cache_creation_input_tokens")
    prompt = _first(usage, "prompt_tokens", "input_tokens")
    if "prompt_tokens" not in usage and not details:
        prompt += _first(usage, "cache_read_input_tokens") + written  # Anthropic counts them apart
    answered = _details(usage, "completion_tokens_details", "output_tokens_details")
    completion, reasoning = _first(usage, "completion_tokens", "output_tokens"), _first(answered, "reasoning_tokens")
    if reasoning and _first(usage, "total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # xAI counts them apart
    kinds = _details(usage, "cache_creation") or _details(details, "cache_creation_token_details")
    return TokenCounts(
        prompt=prompt,
        cached=min(cached, prompt),
        cache_write=min(written, prompt),
        completion=completion,
        reasoning=min(reasoning, completion),
        cache_write_1h=min(_first(kinds, "ephemeral_1h_input_tokens"), written),
        prompt_audio=_first(details, "audio_tokens"),
        completion_audio=_first(answered, "audio_tokens"),
    )


def _of_gemini(usage: Mapping[str, Any]) -> TokenCounts:
    """Gemini counts what it thinks, and what tools return, apart."""
    thought = _first(usage, "thoughtsTokenCount")
    return TokenCounts(
        prompt=_first(usage, "promptTokenCount") + _first(usage, "toolUsePromptTokenCount"),
        cached=_first(usage, "cachedContentTokenCount"),
        completion=_first(usage, "candidatesTokenCount") + thought,
        reasoning=thought,
        prompt_audio=_audio(usage.get("promptTokensDetails")),
        completion_audio=_audio(usage.get("candidatesTokensDetails")),
    )


def _audio(details: Any) -> int:
    parts = details if isinstance(details, list) else ()
    return sum(_first(part, "tokenCount") for part in parts if part.get("modality") == "AUDIO")


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = usage.get(name)
        if type(found) is dict or isinstance(found, Mapping):  # a dict, nearly always: the other question is slow
            return found
        if found is not None and hasattr(found, "__dict__"):
            return dict(vars(found))
    return {}


def _first(usage: Mapping[str, Any], *names: str) -> int:
    """The first of these counts that is reported."""
    for name in names:
        value = usage.get(name)
        if (type(value) is int or type(value) is float) and value > 0:
            return int(value)
    return 0
