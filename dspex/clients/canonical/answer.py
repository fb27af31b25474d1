"""A provider's answer in OpenAI's shape, and the outputs that a caller of the LM gets from it."""

from __future__ import annotations

from typing import Any


class Answer(dict[str, Any]):
    """An answer as a dict whose keys are attributes too: ``answer.choices[0].message.content``, as SDKs have it."""

    cache_hit = False

    def __getattr__(self, name: str) -> Any:
        try:
            return _attributes(self[name])
        except KeyError:
            raise AttributeError(f"The answer has no {name!r}; it has: {', '.join(self)}") from None


def _attributes(value: Any) -> Any:
    if type(value) is dict:
        return Answer(value)
    return [_attributes(one) for one in value] if isinstance(value, list) else value


def field(thing: Any, name: str, default: Any = None) -> Any:
    """Return the field `name` of a dict or an object: users' own LMs answer with either.

    Args:
        thing: The dict or object.
        name: The key or attribute.
        default: What to return where it is missing.
    """
    return thing.get(name, default) if isinstance(thing, dict) else getattr(thing, name, default)


def outputs(answer: Any, logprobs: bool = False) -> list[Any]:
    """Return one output a choice.

    Args:
        answer: An answer in OpenAI's shape, as dicts or objects.
        logprobs: Whether outputs hold the choices' log probabilities.

    Returns:
        Strings; or, where any choice holds more than text, dicts with ``text`` and, where present,
        ``reasoning_content``, ``logprobs``, ``tool_calls`` and ``citations``.
    """
    found = [_output(choice, logprobs) for choice in field(answer, "choices") or []]
    return [output["text"] for output in found] if all(len(output) == 1 for output in found) else found


def _output(choice: Any, logprobs: bool) -> dict[str, Any]:
    message = field(choice, "message")
    content = field(choice, "text") if message is None else field(message, "content")
    calls = field(message, "tool_calls")
    output = {"text": _text(content, empty=None if calls else "")}
    if reasoning := field(message, "reasoning_content"):
        output["reasoning_content"] = reasoning
    if logprobs:
        output["logprobs"] = field(choice, "logprobs")
    if calls:
        output["tool_calls"] = calls
    if citations := _citations(message):
        output["citations"] = citations
    return output


def _citations(message: Any) -> list[Any]:
    """The citations beside a text, in a row; litellm groups them by the block of text that they belong to."""
    groups = field(field(message, "provider_specific_fields") or {}, "citations")
    if not isinstance(groups, list):
        return []
    return [citation for group in groups for citation in (group if isinstance(group, list) else [group])]


def _text(content: Any, empty: str | None) -> Any:
    """The text of a message: an empty one is the model's own answer, ``""``, not a fault of the provider."""
    if content is None:
        return empty
    if isinstance(content, list):
        return "".join(str(field(part, "text") or "") for part in content)
    return content


def usage_of(answer: Any) -> dict[str, Any]:
    """Return the usage that the answer reports, as a plain dict; empty if it reports none."""
    usage = field(answer, "usage")
    if usage is None:
        return {}
    if isinstance(usage, dict):
        return dict(usage)
    dump = getattr(usage, "model_dump", None)
    return dict(dump()) if dump is not None else dict(vars(usage))


def tokens(usage: dict[str, Any]) -> tuple[int, int]:
    """Prompt and completion tokens, which the Responses API names otherwise; 0 where they are not reported."""
    asked = usage.get("prompt_tokens", usage.get("input_tokens"))
    return _count(asked), _count(usage.get("completion_tokens", usage.get("output_tokens")))


def _count(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0


def stopped_because(answer: Any) -> str | None:
    """Return why the model stopped: the first choice's ``"stop"``, ``"length"``, ``"tool_calls"``, ...

    For an answer of the Responses API it is the answer's status. None where the answer does not say.
    """
    choices = field(answer, "choices")
    reason = field(choices[0], "finish_reason") if choices else field(answer, "status")
    return str(reason)[:100] if reason else None


def reported_cost(answer: Any) -> float | None:
    """Return what the call cost in US dollars, where the answer itself says so, as litellm's do; else None."""
    return (getattr(answer, "_hidden_params", None) or {}).get("response_cost")
