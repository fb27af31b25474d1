"""What the models of many makers can do, by their names: a few rules, and no list of models that grows old.

Of a model that no rule knows nothing is claimed: then tools and schemas are asked for in the prompt, which any model
takes. `deepseek/`, `groq/`, ... may serve a model without all that it could do elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dspex.clients.models.claude import claude
from dspex.clients.models.gemini import generation

# Whether they call functions, take a reasoning effort, and keep to a schema: by the first rule that matches.
_FAMILIES = tuple(
    (re.compile(pattern), frozenset(can.split()))
    for pattern, can in (
        (r"gpt-oss", "functions reasoning schema"),
        (r"(magistral|mistral|ministral|mixtral|codestral|devstral|pixtral)", "functions schema"),
        (r"deepseek-(reasoner|r\d)", "reasoning"),
        (r"deepseek", "functions schema"),
        (r"qwen-?(2\.5|3|max|plus|turbo)", "functions schema"),
        (r"llama-?v?(3[-.p][123]|4)", "functions schema"),
        (r"grok-3-mini", "functions reasoning schema"),
        (r"grok", "functions schema"),
        (r"kimi-k\d", "functions schema"),
        (r"glm-[4-9]", "functions schema"),
        (r"command-(r|a)", "functions schema"),
        (r"sonar", "schema"),
    )
)

_WITHOUT_SCHEMA = frozenset({"deepseek", "sambanova", "nvidia_nim"})
_SCHEMA_ON_GROQ = re.compile(r"gpt-oss|kimi-k2|llama-4")
_SERVERS = frozenset({"hosted_vllm", "vllm", "sglang", "ollama", "ollama_chat", "lm_studio"})


@lru_cache(maxsize=256)
def abilities(provider: str, model: str) -> frozenset[str]:
    """Return what the provider's model of this name can do, judged by the name.

    Args:
        provider: The provider's prefix, such as "groq".
        model: The model's name without it.

    Returns:
        Any of ``functions`` (tool calls), ``reasoning`` (an effort can be asked for) and ``schema`` (JSON schemas).
    """
    name = model.rsplit("/", 1)[-1].lower()
    found = _of_the_model(name)
    if provider in _WITHOUT_SCHEMA or (provider == "groq" and not _SCHEMA_ON_GROQ.search(name)):
        found -= {"schema"}
    if provider != "deepseek" and "deepseek" in name:
        found -= {"reasoning"}  # only DeepSeek's own API takes an effort
    if provider in _SERVERS:
        # Whether such a server was started with a parser for calls and thoughts, its name does not say.
        found = frozenset({"schema"})
    return found


def _of_the_model(name: str) -> frozenset[str]:
    if "claude" in name:
        return _claudes(name)
    if "gemini" in name or "gemma" in name:
        return _geminis(name)
    return next((can for pattern, can in _FAMILIES if pattern.search(name)), frozenset())


def _claudes(name: str) -> frozenset[str]:
    kind = claude(name)
    found = {"functions"} if kind.generation >= (3, 0) else set()
    if kind.thinks:
        found.add("reasoning")
    if kind.keeps_to_schemas:
        found.add("schema")
    return frozenset(found)


def _geminis(name: str) -> frozenset[str]:
    if any(word in name for word in ("tts", "image", "live", "embedding", "audio")):
        return frozenset()
    if "gemini" not in name:
        return frozenset({"functions", "schema"} if re.search(r"gemma-[3-9]", name) else ())
    kind = generation(name)
    found = {"functions", "schema"} if kind >= (1, 5) else set()
    return frozenset(found | {"reasoning"}) if kind >= (2, 5) else frozenset(found)
