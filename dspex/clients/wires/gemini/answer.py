"""Gemini's answer as a chat completion of OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

_FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "OTHER": "stop",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
    "MISSING_THOUGHT_SIGNATURE": "stop",
    "MALFORMED_RESPONSE": "stop",
}
"""Any other reason is one why an answer was withheld: SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, ..."""


def as_completion(response: Mapping[str, Any]) -> dict[str, Any]:
    """Translate `response` into a completion with a choice for each candidate."""
    response_id = response.get("responseId")
    candidates = response.get("candidates") or []
    completion: dict[str, Any] = {
        "id": response_id,
        "object": "chat.completion",
        "model": response.get("modelVersion"),
        "choices": [_choice(candidate, index, response_id) for index, candidate in enumerate(candidates)],
    }
    usage = response.get("usageMetadata")
    if isinstance(usage, Mapping):
        completion["usage"] = usage_of(usage)
    return completion


def _choice(candidate: Mapping[str, Any], position: int, response_id: Any) -> dict[str, Any]:
    index = candidate.get("index", position)
    message = read_parts(candidate, f"{response_id or 'call'}_{index}")
    choice = {
        "index": index,
        "message": {"role": "assistant", **message},
        "finish_reason": finish_reason(candidate, bool(message.get("tool_calls"))) or "stop",
    }
    logprobs = candidate.get("logprobsResult")
    if isinstance(logprobs, Mapping):
        choice["logprobs"] = logprobs_of(logprobs)
    return choice


def read_parts(candidate: Mapping[str, Any], call_prefix: str, first_call: int = 0) -> dict[str, Any]:
    """Read a candidate, or a piece of one, as an assistant's message: text, thoughts, tool calls and sources.

    Args:
        candidate: Gemini's candidate.
        call_prefix: What the ids of tool calls begin with, where Gemini gives them none.
        first_call: The number of the first tool call, for those ids.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in (candidate.get("content") or {}).get("parts") or ():
        if "text" in part:
            (thoughts if part.get("thought") else texts).append(part["text"] or "")
        elif isinstance(part.get("functionCall"), Mapping):
            calls.append(_call(part, f"{call_prefix}_{first_call + len(calls)}"))
    message: dict[str, Any] = {"content": "".join(texts) if texts or not calls else None}
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    if isinstance(candidate.get("groundingMetadata"), Mapping):
        message |= _sources(candidate["groundingMetadata"])
    return message


def finish_reason(candidate: Mapping[str, Any], called: bool) -> str | None:
    """Return OpenAI's reason why the answer ended; None if it has not.

    Args:
        candidate: Gemini's candidate.
        called: Whether the model called a tool, which Gemini does not give as a reason.
    """
    reason = candidate.get("finishReason")
    if not reason:
        return None
    found = _FINISH_REASONS.get(reason, "content_filter")
    return "tool_calls" if called and found == "stop" else found


def logprobs_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Translate log probabilities into OpenAI's ``logprobs``: each token chosen, with its alternatives."""
    alternatives = result.get("topCandidates") or []
    tokens = []
    for position, chosen in enumerate(result.get("chosenCandidates") or ()):
        others = alternatives[position].get("candidates") or () if position < len(alternatives) else ()
        tokens.append({**_token(chosen), "top_logprobs": [_token(other) for other in others]})
    return {"content": tokens}


def _token(candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": candidate.get("token", ""), "logprob": candidate.get("logProbability", 0.0), "bytes": None}


def _call(part: Mapping[str, Any], made_up_id: str) -> dict[str, Any]:
    called = part["functionCall"]
    function = {"name": called.get("name", ""), "arguments": orjson.dumps(called.get("args") or {}).decode()}
    call = {"id": called.get("id") or made_up_id, "type": "function", "function": function}
    if part.get("thoughtSignature"):
        call["provider_specific_fields"] = {"thought_signature": part["thoughtSignature"]}
    return call


def _sources(grounding: Mapping[str, Any]) -> dict[str, Any]:
    """The pages that a searched answer rests on: as OpenAI's annotations, and as citations."""
    chunks = grounding.get("groundingChunks") or []
    annotations, citations = [], []
    for support in grounding.get("groundingSupports") or ():
        segment = support.get("segment") or {}
        for index in support.get("groundingChunkIndices") or ():
            chunk = chunks[index] if index < len(chunks) else {}
            source = chunk.get("web") or chunk.get("retrievedContext") or {}
            where = {"url": source.get("uri"), "title": source.get("title")}
            place = {"start_index": segment.get("startIndex", 0), "end_index": segment.get("endIndex", 0)}
            annotations.append({"type": "url_citation", "url_citation": {**where, **place}})
            citations.append({"type": "citation", "text": segment.get("text"), **where})
    if not annotations:
        return {}
    return {"annotations": annotations, "provider_specific_fields": {"citations": [citations]}}


def usage_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Gemini counts thoughts beside the answer, and OpenAI in it; both count cached tokens among the prompt's."""
    prompt = (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0)
    thought = usage.get("thoughtsTokenCount") or 0
    answered = (usage.get("candidatesTokenCount") or 0) + thought
    asked = {"cached_tokens": usage.get("cachedContentTokenCount") or 0}
    said = {"reasoning_tokens": thought}
    for details, by_modality in ((asked, "promptTokensDetails"), (said, "candidatesTokensDetails")):
        if by_modality in usage:
            details |= _audio(usage[by_modality])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answered,
        "total_tokens": usage.get("totalTokenCount") or prompt + answered,
        "prompt_tokens_details": asked,
        "completion_tokens_details": said,
    }


def _audio(details: Any) -> dict[str, int]:
    heard = [one.get("tokenCount") or 0 for one in details or () if one.get("modality") == "AUDIO"]
    return {"audio_tokens": sum(heard)} if heard else {}
