"""The providers that dspex speaks to itself: address, variables and wire format of each, by litellm's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dspex.clients.wires.anthropic.messages import ANTHROPIC
from dspex.clients.wires.gemini.generate_content import GEMINI
from dspex.clients.wires.openai.chat import OPENAI_CHAT, OPENAI_TEXT
from dspex.clients.wires.openai.dialects import (
    AZURE_CHAT,
    AZURE_RESPONSES,
    DEEPSEEK,
    MISTRAL,
    OLLAMA,
    OPENROUTER,
    PERPLEXITY,
)
from dspex.clients.wires.openai.responses import OPENAI_RESPONSES

if TYPE_CHECKING:
    from dspex.clients.wires.wire import Wire

Wires = Mapping[str, "Wire"]

OPENAI_WIRES: Wires = {"chat": OPENAI_CHAT, "text": OPENAI_TEXT, "responses": OPENAI_RESPONSES}


def _speaking(chat: Wire) -> Wires:
    return {**OPENAI_WIRES, "chat": chat}


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """Where a provider's models are served, and how.

    Attributes:
        name: What stands before the slash in a model's name.
        api_base: Its address; None where every user has another one.
        base_variables: Environment variables that hold another address.
        key_variables: Environment variables that hold the key, the first one set counts.
        wires: Its wire format for each `model_type`.
        needs_key: False for a server that users run themselves.
        version: What its addresses end in, added where it is left out: "/v1", say.
        folder: What its model names begin with on the wire, added to one without a slash.
        takes_n: Whether one call may have several answers. Else `n` answers are as many calls.
    """

    name: str
    api_base: str | None
    base_variables: tuple[str, ...]
    key_variables: tuple[str, ...]
    wires: Wires
    needs_key: bool = True
    version: str = ""
    folder: str = ""
    takes_n: bool = True

    @property
    def key_variable(self) -> str:
        """The environment variable to name in messages."""
        return self.key_variables[0]


def _provider(
    name: str,
    api_base: str | None,
    *key_variables: str,
    base_variables: tuple[str, ...] = (),
    wires: Wires = OPENAI_WIRES,
    version: str = "",
    folder: str = "",
    takes_n: bool = True,
) -> ProviderSpec:
    prefix = name.upper()
    return ProviderSpec(
        name,
        api_base,
        base_variables or (f"{prefix}_API_BASE",),
        key_variables or (f"{prefix}_API_KEY",),
        wires,
        version=version,
        folder=folder,
        takes_n=takes_n,
    )


def _server(
    name: str,
    api_base: str | None,
    *key_variables: str,
    base_variables: tuple[str, ...] = (),
    wires: Wires = OPENAI_WIRES,
    version: str = "",
    takes_n: bool = True,
) -> ProviderSpec:
    """A server that users run themselves: it needs no key."""
    own = _provider(name, api_base, *key_variables, base_variables=base_variables, wires=wires, version=version)
    return replace(own, needs_key=False, takes_n=takes_n)


OPENAI = _provider(
    "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", base_variables=("OPENAI_API_BASE", "OPENAI_BASE_URL")
)
AZURE = _provider(
    "azure",
    None,
    "AZURE_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_AD_TOKEN",
    base_variables=("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
    wires={"chat": AZURE_CHAT, "responses": AZURE_RESPONSES},
)

_OTHERS = (
    _provider(
        "anthropic",
        "https://api.anthropic.com/v1",
        base_variables=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        wires={"chat": ANTHROPIC},
        version="/v1",
        takes_n=False,
    ),
    _provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        base_variables=("GEMINI_API_BASE", "GOOGLE_GEMINI_BASE_URL"),
        wires={"chat": GEMINI},
        version="/v1beta",
        folder="models/",
    ),
    _provider("cerebras", "https://api.cerebras.ai/v1", takes_n=False),
    _provider(
        "dashscope",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        takes_n=False,
    ),
    _provider("deepinfra", "https://api.deepinfra.com/v1/openai"),
    _provider("deepseek", "https://api.deepseek.com/v1", wires=_speaking(DEEPSEEK), takes_n=False),
    _provider(
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
        base_variables=("FIREWORKS_API_BASE",),
        folder="accounts/fireworks/models/",
    ),
    _provider("groq", "https://api.groq.com/openai/v1", takes_n=False),
    _provider(
        "mistral",
        "https://api.mistral.ai/v1",
        base_variables=("MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE"),
        wires=_speaking(MISTRAL),
    ),
    _provider("moonshot", "https://api.moonshot.ai/v1"),
    _provider("nvidia_nim", "https://integrate.api.nvidia.com/v1", takes_n=False),
    _provider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        "OR_API_KEY",
        wires=_speaking(OPENROUTER),
        takes_n=False,
    ),
    _provider(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITYAI_API_KEY",
        "PERPLEXITY_API_KEY",
        wires=_speaking(PERPLEXITY),
        takes_n=False,
    ),
    _provider("sambanova", "https://api.sambanova.ai/v1", takes_n=False),
    _provider(
        "together_ai",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        "TOGETHER_AI_API_KEY",
        "TOGETHERAI_API_KEY",
        base_variables=("TOGETHER_AI_API_BASE", "TOGETHER_API_BASE"),
    ),
    _provider("xai", "https://api.x.ai/v1"),
    _server("hosted_vllm", "http://localhost:8000/v1"),
    _server("vllm", "http://localhost:8000/v1", "VLLM_API_KEY", "HOSTED_VLLM_API_KEY"),
    _server("sglang", "http://localhost:30000/v1"),
    *(
        _server(
            name,
            "http://localhost:11434/v1",
            "OLLAMA_API_KEY",
            base_variables=("OLLAMA_API_BASE",),
            wires=_speaking(OLLAMA),
            version="/v1",
            takes_n=False,
        )
        for name in ("ollama", "ollama_chat")
    ),
    _server("lm_studio", "http://localhost:1234/v1", takes_n=False),
    _server("llamafile", "http://127.0.0.1:8080/v1", takes_n=False),
    _server("litellm_proxy", "http://localhost:4000"),
    _server("openai_like", None),
    _server("custom_openai", None, "CUSTOM_OPENAI_API_KEY"),
)

PROVIDERS: Mapping[str, ProviderSpec] = {one.name: one for one in (OPENAI, AZURE, *_OTHERS)}
