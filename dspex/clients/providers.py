"""Model names: which provider a name means, in which wire format, at which address, with which key.

``"openai/gpt-4o-mini"`` is OpenAI's ``gpt-4o-mini``. With an explicit `api_base` any name is served there in OpenAI's
format: ``"openai/meta-llama/Llama-3"`` asks that server for ``meta-llama/Llama-3``, and so does the bare
``"meta-llama/Llama-3"``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from dspex.clients.openai import OPENAI_CHAT, OPENAI_TEXT, Wire
from dspex.clients.responses_format import OPENAI_RESPONSES
from dspex.clients.secrets import refuse_secrets_in
from dspex.errors import LMConfigurationError, LMNotConfiguredError, LMUnsupportedFeatureError, UsageError


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's models are found."""

    name: str
    api_base: str
    base_variables: tuple[str, ...]
    key_variable: str


OPENAI = Provider(
    name="openai",
    api_base="https://api.openai.com/v1",
    base_variables=("OPENAI_API_BASE", "OPENAI_BASE_URL"),
    key_variable="OPENAI_API_KEY",
)
PROVIDERS = {OPENAI.name: OPENAI}

# Prefixes that name a server, not a part of the model's name, as DSPy's users write them for servers of their own.
_SERVERS = frozenset(
    {
        "hosted_vllm",
        "vllm",
        "sglang",
        "ollama",
        "ollama_chat",
        "lm_studio",
        "llamafile",
        "openai_like",
        "custom_openai",
        "litellm_proxy",
        "together_ai",
        "fireworks_ai",
        "groq",
        "deepseek",
        "openrouter",
        "mistral",
        "xai",
        "deepinfra",
    }
)
_WIRES: Mapping[str, Wire] = {"chat": OPENAI_CHAT, "text": OPENAI_TEXT, "responses": OPENAI_RESPONSES}


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, taken apart: `wire_name` is what the server is asked for."""

    text: str
    provider: str | None
    wire_name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a call goes, ready to be sent: address, wire format, and the variable that the key came from, if any."""

    base: str
    url: str
    wire: Wire
    key_variable: str | None


def parse_model(text: str) -> ModelName:
    """Take a model's name apart.

    Raises:
        UsageError: it is empty, or has a prefix and nothing after it (a ValueError).
    """
    prefix, slash, rest = text.partition("/")
    if not text or (slash and not rest):
        raise UsageError(f'The model\'s name {text!r} is not whole: write "openai/gpt-4o-mini", say.')
    if not slash:
        return ModelName(text, OPENAI.name, text)
    if prefix in PROVIDERS:
        return ModelName(text, prefix, rest)
    return ModelName(text, None, rest if prefix in _SERVERS else text)


def wire_for(model_type: str) -> Wire:
    """The wire format of a model type.

    Raises:
        LMUnsupportedFeatureError: dspex does not speak it.
    """
    try:
        return _WIRES[model_type]
    except KeyError:
        known = ", ".join(sorted(_WIRES))
        raise LMUnsupportedFeatureError(f"model_type={model_type!r} is not one of: {known}") from None


def resolve(name: ModelName, model_type: str, api_base: str | None, api_key_env: str | None, key: bool) -> Endpoint:
    """Find where `name` is served. `key` says whether the caller brings a key.

    Raises:
        LMConfigurationError: the prefix is unknown and there is no `api_base`, or `api_base` is no URL.
        LMNotConfiguredError: the provider needs a key and none is set; the message names the variable.
    """
    provider = PROVIDERS.get(name.provider or "")
    explicit = api_base or (_from_environment(provider.base_variables) if provider else None)
    if provider is None and not explicit:
        known = ", ".join(f"{prefix}/" for prefix in PROVIDERS)
        raise LMConfigurationError(
            f"{name.text!r}: the provider {name.text.partition('/')[0]!r} is unknown. Use one of {known}, or pass "
            "api_base= with the address of a server that speaks OpenAI's format.",
            model=name.text,
        )
    base = _checked(explicit or (provider or OPENAI).api_base)
    wire = wire_for(model_type)
    variable = None if key else _key_variable(name, provider or OPENAI, api_key_env, needed=not explicit)
    return Endpoint(base, base + wire.path, wire, variable)


def _key_variable(name: ModelName, provider: Provider, api_key_env: str | None, needed: bool) -> str | None:
    """The variable that holds the key: the one that was named, or the provider's if it is set, or none."""
    variable = api_key_env or provider.key_variable
    if os.environ.get(variable):
        return variable
    if api_key_env or needed:
        raise LMNotConfiguredError(
            f"{name.text}: no API key. Set the environment variable {variable}, or pass api_key_env= with the name of "
            "the variable that holds it.",
            model=name.text,
        )
    return None


def _from_environment(variables: tuple[str, ...]) -> str | None:
    return next((value for variable in variables if (value := os.environ.get(variable))), None)


def _checked(base: str) -> str:
    """`base` without its last slash.

    Raises:
        LMConfigurationError: it is no HTTP URL, or carries a secret (which would show wherever it does).
    """
    refuse_secrets_in(base)
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LMConfigurationError(f"api_base={base!r} is not an HTTP URL such as http://127.0.0.1:8000/v1")
    return base.rstrip("/")
