"""Which `Provider` trains a model. Providers are found by name: installed packages bring them as entry points.

The entry point group is ``dspex.training_providers``; each entry is a subclass of `dspex.clients.provider.Provider`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from dspex.clients.provider import Provider

_GROUP = "dspex.training_providers"
_BUILT_IN = {"openai": "dspex.finetuning.provider:OpenAIProvider"}
"""The entry points of dspex itself, for a source checkout, which has none."""


def training_provider(name: str) -> type[Provider]:
    """Return the provider class registered as `name`, such as ``openai``.

    Raises:
        KeyError: no provider has this name.
    """
    return _classes()[name]


def provider_for(model: str) -> Provider:
    """Return a provider that says it can train `model` (`Provider.is_provider_model`), else one that does nothing."""
    for provider in _classes().values():
        if provider.is_provider_model(model):
            return provider()
    return Provider()


@cache
def _classes() -> dict[str, type[Provider]]:
    built_in = {name: _load(path) for name, path in _BUILT_IN.items()}
    return {**built_in, **{entry.name: entry.load() for entry in entry_points(group=_GROUP)}}


def _load(path: str) -> type[Provider]:
    module, _, attribute = path.partition(":")
    found: type[Provider] = getattr(import_module(module), attribute)
    return found
