"""Model names: which provider a name means, in which wire format, at which address, with which key.

``"openai/gpt-4o-mini"`` is OpenAI's ``gpt-4o-mini``, ``"anthropic/claude-..."`` is asked in Anthropic's format (see
`provider_table`). With an explicit `api_base` a provider's format is spoken there. A name whose prefix is no provider's
needs one, and is served there in OpenAI's format: ``"meta-llama/Llama-3"`` asks that server for ``meta-llama/Llama-3``,
and so does ``"openai/meta-llama/Llama-3"``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from dspex.clients.canonical.secrets import refuse_secrets_in
from dspex.clients.wires.provider_table import AZURE, OPENAI_WIRES, PROVIDERS, ProviderSpec
from dspex.clients.wires.provider_table import OPENAI as OPENAI
from dspex.errors import LMConfigurationError, LMNotConfiguredError, LMUnsupportedFeatureError, UsageError

if TYPE_CHECKING:
    from dspex.clients.wires.wire import Wire

AZURES_VERSION = "2024-10-21"
"""The version of Azure's API where none is asked for (`api_version`, ``AZURE_API_VERSION``): the last stable one."""

_VERSION = re.compile(r"/v\d[^/]*$")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model's name, parsed.

    Attributes:
        text: As the user wrote it.
        provider: A name of `PROVIDERS`; None for a prefix that is no provider's.
        wire_name: The name that the server knows.
    """

    text: str
    provider: str | None
    wire_name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go.

    Attributes:
        base: The address of the API.
        url: The address of calls.
        wire: The wire format.
        key_variable: The environment variable that holds the key, if any.
    """

    base: str
    url: str
    wire: Wire
    key_variable: str | None


def parse_model(text: str) -> ModelName:
    """Split a model's name into provider and name.

    Args:
        text: The name as the user wrote it, such as ``openai/gpt-4o-mini``. Without a prefix it is OpenAI's.

    Raises:
        UsageError: it is empty, or has a prefix and nothing after it (a ValueError).
    """
    prefix, slash, rest = text.partition("/")
    if not text or (slash and not rest):
        raise UsageError(f'The model\'s name {text!r} is not whole: write "openai/gpt-4o-mini", say.')
    if not slash:
        return ModelName(text, OPENAI.name, text)
    provider = PROVIDERS.get(prefix)
    if provider is None:
        return ModelName(text, None, text)
    return ModelName(text, prefix, rest if "/" in rest else provider.folder + rest)


def wire_for(model_type: str, provider: str | None = OPENAI.name) -> Wire:
    """Return the wire format of a model type.

    Args:
        model_type: "chat", "text" or "responses".
        provider: The provider's prefix. None, or an unknown one, stands for a server that speaks OpenAI's format.

    Raises:
        LMUnsupportedFeatureError: the provider, or dspex, does not offer this model type.
    """
    wires = PROVIDERS[provider].wires if provider is not None and provider in PROVIDERS else OPENAI_WIRES
    try:
        return wires[model_type]
    except KeyError:
        known = ", ".join(sorted(wires))
        whose = "" if wires is OPENAI_WIRES else f" of {provider}"
        raise LMUnsupportedFeatureError(f"model_type={model_type!r} is not one{whose}: {known}") from None


def takes_n(name: ModelName, model_type: str) -> bool:
    """Tell whether one call may ask for several answers.

    Args:
        name: The model, with its provider.
        model_type: "chat", "text" or "responses"; the Responses API gives one answer a call.
    """
    provider = PROVIDERS.get(name.provider or "")
    return model_type != "responses" and (provider is None or provider.takes_n)


def resolve(
    name: ModelName,
    model_type: str,
    api_base: str | None,
    api_key_env: str | None,
    key: bool,
    api_version: str | None = None,
) -> Endpoint:
    """Find where and how `name` is served.

    Args:
        name: The model.
        model_type: "chat", "text" or "responses".
        api_base: The address, if the user gave one; else the environment's or the provider's.
        api_key_env: The environment variable of the key, if the user named one.
        key: Whether the user gave a key.
        api_version: Azure's API version, if the user gave one.

    Returns:
        The addresses, the wire format, and the variable that holds the key (None: it is not needed).

    Raises:
        LMConfigurationError: the prefix is unknown and there is no `api_base`, or `api_base` is not a URL.
        LMNotConfiguredError: the provider needs a key and none is set; the message names the variable.
    """
    provider = PROVIDERS.get(name.provider or "")
    explicit = api_base or (_from_environment(provider.base_variables) if provider else None)
    given = explicit or (provider.api_base if provider else None)
    if given is None:
        raise _nowhere(name, provider)
    wire = wire_for(model_type, name.provider)
    base, query = _checked(given), ""
    if provider is AZURE:
        base, query = _at_azure(base, name, model_type, api_version)
    elif provider is not None and provider.version and not _VERSION.search(base):
        base += provider.version
    url = base + wire.path.replace("{model}", quote(name.wire_name, safe="/:@")) + query
    variable = None if key else _key_variable(name, provider or OPENAI, api_key_env, needed=not explicit)
    return Endpoint(base, url, wire, variable)


def _at_azure(base: str, name: ModelName, model_type: str, api_version: str | None) -> tuple[str, str]:
    """The address of a deployment, and the version to ask for. The newer API, below ``/openai/v1``, has neither."""
    version = api_version or os.environ.get("AZURE_API_VERSION")
    if base.endswith("/v1"):
        return base, f"?api-version={version}" if api_version else ""
    if model_type == "responses":
        return f"{base.removesuffix('/openai')}/openai/v1", f"?api-version={version}" if api_version else ""
    if "/deployments/" not in base:
        base = f"{base.removesuffix('/openai')}/openai/deployments/{quote(name.wire_name, safe='')}"
    return base, f"?api-version={version or AZURES_VERSION}"


def _nowhere(name: ModelName, provider: ProviderSpec | None) -> LMConfigurationError:
    if provider is not None:
        variable = provider.base_variables[0]
        return LMConfigurationError(
            f"{name.text}: no address. Pass api_base=, or set the environment variable {variable}.", model=name.text
        )
    known = ", ".join(f"{prefix}/" for prefix in PROVIDERS)
    return LMConfigurationError(
        f"{name.text!r}: the provider {name.text.partition('/')[0]!r} is unknown. Use one of {known}, or pass "
        "api_base= with the address of a server that speaks OpenAI's format.",
        model=name.text,
    )


def _key_variable(name: ModelName, provider: ProviderSpec, api_key_env: str | None, needed: bool) -> str | None:
    """The variable that holds the key: the one that was named, or one of the provider's if it is set, or none."""
    variables = (api_key_env,) if api_key_env else provider.key_variables
    found = next((variable for variable in variables if os.environ.get(variable)), None)
    if found is not None:
        return found
    if api_key_env or (needed and provider.needs_key):
        raise LMNotConfiguredError(
            f"{name.text}: no API key. Set the environment variable {variables[0]}, or pass api_key_env= with the "
            "name of the variable that holds it.",
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
