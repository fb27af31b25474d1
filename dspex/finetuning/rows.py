"""What OpenAI's fine-tuning accepts as a row: checked before anything is uploaded, so that nobody waits for a refusal.

A row is checked as the API documents it, which is more than DSPy's `validate_data_format` lets pass: roles such as
``developer`` and ``tool``, tool calls, weights, and content in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dspex.clients.utils_finetune import TrainDataFormat
from dspex.errors import UsageError

LEAST_ROWS = 10
"""OpenAI refuses a training file of fewer examples."""

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_CHAT_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})
_COMPLETION_KEYS = frozenset({"prompt", "completion"})
_MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"}
)

# Tokens that an example may have: the training contexts that OpenAI documents.
_CONTEXTS = {"gpt-4.1": 65_536, "gpt-4o": 65_536, "gpt-3.5-turbo": 16_385, "davinci-002": 16_384, "babbage-002": 16_384}

Check = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rows of one training file must keep to. `most_tokens` is None where the model's limit is not known."""

    data_format: TrainDataFormat
    most_tokens: int | None

    def error(self, row: Any) -> str | None:
        """What is wrong with `row`, or None."""
        if not isinstance(row, Mapping):
            return f"is {_a(row)}, not an object"
        wrong = _CHECKS[self.data_format](row)
        if wrong is None and self.most_tokens is not None and (tokens := _tokens_at_least(row)) > self.most_tokens:
            wrong = f"has at least {tokens} tokens; the model is trained on examples of up to {self.most_tokens}"
        return wrong


def rules_for(model: str, data_format: TrainDataFormat | str | None) -> Rules:
    """Return the rules for training a model on rows of a format.

    Args:
        model: The model's name, as the provider knows it.
        data_format: The rows' format: ``chat`` or ``completion``.

    Raises:
        UsageError: OpenAI's API does not train on that format.
    """
    known = [each.value for each in _CHECKS]
    if data_format is None or data_format not in known:
        raise UsageError(
            f"train_data_format={str(data_format)!r} is not one that OpenAI trains on: {', '.join(known)}."
        )
    name = model.removeprefix("ft:")
    context = next((tokens for start, tokens in _CONTEXTS.items() if name.startswith(start)), None)
    return Rules(TrainDataFormat(data_format), context)


def _chat(row: Mapping[str, Any]) -> str | None:
    if wrong := _keys(row, _CHAT_KEYS, needed=("messages",)):
        return wrong
    messages = row["messages"]
    if not isinstance(messages, list) or not messages:
        return f"has {_a(messages)} for its messages, not a list with some"
    for index, message in enumerate(messages):
        if wrong := _message(message):
            return f"message {index} {wrong}"
    if messages[-1]["role"] != "assistant":
        return f"ends with a message of the {messages[-1]['role']}: the last one must be the assistant's"
    return None


def _message(message: Any) -> str | None:
    if not isinstance(message, Mapping):
        return f"is {_a(message)}, not an object"
    if wrong := _keys(message, _MESSAGE_KEYS, needed=("role",)):
        return wrong
    role, content = message["role"], message.get("content")
    if role not in _ROLES:
        return f"has the role {role!r}, which is none of {', '.join(_ROLES)}"
    weight = message.get("weight")
    if weight is not None and (role != "assistant" or weight not in (0, 1)):
        return f"has the weight {weight!r}: messages of the assistant may have 0 or 1"
    calls = role == "assistant" and bool(message.get("tool_calls") or message.get("function_call"))
    if content is None and (calls or message.get("refusal")):
        return None
    return _content(content, needed=role == "assistant" and not calls)


def _content(content: Any, needed: bool) -> str | None:
    if isinstance(content, str):
        return "has no content" if needed and not content.strip() else None
    if isinstance(content, list):
        odd = next((part for part in content if not isinstance(part, Mapping) or "type" not in part), None)
        if odd is not None:
            return "has a content part without a type"
        return None if content else "has no content"
    return f"has {_a(content)} for its content, not text or a list of parts"


def _completion(row: Mapping[str, Any]) -> str | None:
    if wrong := _keys(row, _COMPLETION_KEYS, needed=("prompt", "completion")):
        return wrong
    for name in ("prompt", "completion"):
        if not isinstance(row[name], str):
            return f"has {_a(row[name])} for its {name}, not text"
    return None if row["completion"] else "has an empty completion"


_CHECKS: Mapping[TrainDataFormat, Check] = {TrainDataFormat.CHAT: _chat, TrainDataFormat.COMPLETION: _completion}


def _keys(row: Mapping[str, Any], allowed: frozenset[str], needed: tuple[str, ...]) -> str | None:
    missing = [name for name in needed if name not in row]
    if missing:
        return f"has no {' and no '.join(map(repr, missing))} (its keys: {', '.join(map(repr, row)) or 'none'})"
    unknown = [name for name in row if name not in allowed]
    return f"has the key {unknown[0]!r}, which is none of {', '.join(sorted(allowed))}" if unknown else None


def _tokens_at_least(value: Any) -> int:
    """Its words: each is a token at least, for any tokenizer. A bound, so no row is refused that would have fitted."""
    if isinstance(value, str):
        return len(value.split())
    if isinstance(value, Mapping):
        return 0 if value.get("type") == "image_url" else sum(_tokens_at_least(item) for item in value.values())
    if isinstance(value, list):
        return sum(map(_tokens_at_least, value))
    return 0


def _a(value: Any) -> str:
    if value is None:
        return "nothing"
    return "an empty list" if value == [] else f"a {type(value).__name__}"
