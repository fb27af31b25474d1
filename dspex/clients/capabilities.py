"""What a model can do beyond plain chat, by its name. An unknown model can do nothing special: so DSPy has it too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_PLAIN = frozenset(
    {
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "stream",
        "stop",
        "logprobs",
        "top_logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
    }
)
_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`params` are the parameters in OpenAI's names that a model takes: the `known` ones, if somebody knows them."""

    function_calling: bool = False
    reasoning: bool = False
    response_schema: bool = False
    known: frozenset[str] | None = None

    @property
    def params(self) -> set[str]:
        if self.known is not None:
            return set(self.known)
        params = set(_PLAIN)
        if self.function_calling:
            params |= _TOOLS
        if self.function_calling or self.response_schema:
            params.add("response_format")
        if self.reasoning:
            params.add("reasoning_effort")
        return params


@lru_cache(maxsize=256)
def capabilities(model: str) -> Capabilities:
    """What the model called `model` can do."""
    family = _DATE.sub("", _last(model))
    if is_reasoning_model(model):
        old = family.startswith("o1-mini")
        return Capabilities(function_calling=not old, reasoning=True, response_schema=not old)
    if family.startswith("gpt-5"):  # the chat variants
        return Capabilities(reasoning=True, response_schema=True)
    if family.startswith(("gpt-4o", "gpt-4.1")):
        return Capabilities(function_calling=True, response_schema=not model.endswith("gpt-4o-2024-05-13"))
    return Capabilities(function_calling=family.startswith(("gpt-4", "gpt-3.5-turbo")))


def is_reasoning_model(model: str) -> bool:
    """Whether `model` is one of OpenAI's reasoning models: o1, o3, ... and gpt-5, but for its chat variants."""
    words = _DATE.sub("", _last(model)).split("-")
    if words[0] == "gpt":
        generation, variant = words[1] if len(words) > 1 else "", words[2] if len(words) > 2 else ""
        return generation.split(".")[0] == "5" and not variant.startswith("chat")
    sizes = words[1:]
    return words[0] in {"o1", "o3", "o4", "o5"} and (not sizes or (len(sizes) == 1 and sizes[0] in _SIZES))


_SIZES = {"mini", "nano", "pro"}


def _last(model: str) -> str:
    return model.rsplit("/", 1)[-1].lower()
