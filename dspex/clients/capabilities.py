"""What a model can do beyond plain chat, by its name. An unknown model can do nothing special: so DSPy has it too."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from dspex.clients.models.families import abilities
from dspex.clients.wires.provider_table import PROVIDERS

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
_ANTHROPICS = frozenset({"temperature", "max_tokens", "top_p", "top_k", "stream", "stop"})
_GEMINIS = _ANTHROPICS | {"logprobs", "top_logprobs", "response_format"}
_OPENAIS = frozenset({"openai", "azure", "custom_openai", "litellm_proxy", "openai_like"})
_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do.

    Attributes:
        function_calling: Whether it calls tools by itself.
        reasoning: Whether it takes a reasoning effort.
        response_schema: Whether it can be held to a JSON schema.
        known: The request parameters that it takes, in OpenAI's names. None: they follow from the rest (`params`).
    """

    function_calling: bool = False
    reasoning: bool = False
    response_schema: bool = False
    known: frozenset[str] | None = None

    @property
    def params(self) -> set[str]:
        """The request parameters that the model takes, in OpenAI's names."""
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
    """Return what a model can do, by its name. A name without a prefix, or with OpenAI's or Azure's, is OpenAI's."""
    provider, slash, name = model.partition("/")
    if slash and provider in PROVIDERS and provider not in _OPENAIS:
        return _of_family(provider, name)
    family = _DATE.sub("", _last(model))
    if is_reasoning_model(model):
        old = family.startswith("o1-mini")
        return Capabilities(function_calling=not old, reasoning=True, response_schema=not old)
    if family.startswith("gpt-5"):  # the chat variants
        return Capabilities(reasoning=True, response_schema=True)
    if family.startswith(("gpt-4o", "gpt-4.1")):
        return Capabilities(function_calling=True, response_schema=not model.endswith("gpt-4o-2024-05-13"))
    return Capabilities(function_calling=family.startswith(("gpt-4", "gpt-3.5-turbo")))


def _of_family(provider: str, name: str) -> Capabilities:
    """What a provider's model can do by the rules for its family."""
    can = abilities(provider, name)
    if not can and name.startswith("openai/"):  # at OpenRouter, say
        return capabilities(name)
    found = Capabilities("functions" in can, "reasoning" in can, "schema" in can)
    if provider == "anthropic":
        return replace(found, known=_foreign(_ANTHROPICS, found, {"tools", "tool_choice", "parallel_tool_calls"}))
    if provider == "gemini":
        return replace(found, known=_foreign(_GEMINIS, found, {"tools", "tool_choice"}))
    return found


def _foreign(plain: frozenset[str], found: Capabilities, tools: set[str]) -> frozenset[str]:
    """The parameters in OpenAI's names of an API that is not OpenAI's."""
    params = set(plain)
    if found.function_calling:
        params |= tools
    if found.response_schema:
        params.add("response_format")
    if found.reasoning:
        params.add("reasoning_effort")
    return frozenset(params)


def is_reasoning_model(model: str) -> bool:
    """Tell whether `model` is one of OpenAI's reasoning models: o1, o3, ... and gpt-5, but for its chat variants."""
    words = _DATE.sub("", _last(model)).split("-")
    if words[0] == "gpt":
        generation, variant = words[1] if len(words) > 1 else "", words[2] if len(words) > 2 else ""
        return generation.split(".")[0] == "5" and not variant.startswith("chat")
    sizes = words[1:]
    return words[0] in {"o1", "o3", "o4", "o5"} and (not sizes or (len(sizes) == 1 and sizes[0] in _SIZES))


_SIZES = {"mini", "nano", "pro"}


def _last(model: str) -> str:
    return model.rsplit("/", 1)[-1].lower()
