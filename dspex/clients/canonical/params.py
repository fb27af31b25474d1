"""The parameters of a call in OpenAI's names, as all users of an `LM` write them: which are sent, and which refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from dspex.clients.canonical.request import schema_of
from dspex.clients.canonical.secrets import names_a_secret
from dspex.errors import LMUnsupportedFeatureError

# For the client, not for the provider (some are litellm's, which DSPy's users pass).
_CLIENTS_OWN = frozenset(
    {
        "api_base",
        "api_version",
        "azure_ad_token_provider",
        "base_url",
        "cache",
        "cache_control_injection_points",
        "custom_llm_provider",
        "drop_params",
        "extra_body",
        "num_retries",
        "prompt_cache",
        "rollout_id",
        "stream",
        "stream_options",
        "timeout",
    }
)


def sent_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `params` that go to the provider: not those that say how to call, no None, and no secrets."""
    sent = {
        name: value
        for name, value in params.items()
        if value is not None and name not in _CLIENTS_OWN and not names_a_secret(name)
    }
    if "response_format" in sent:
        sent["response_format"] = schema_of(sent["response_format"])
    return sent


def refuse(name: str, provider: str, why: str) -> NoReturn:
    """Refuse, before anything is sent, what `provider` cannot do.

    Args:
        name: The parameter or the kind of content that asks for it.
        provider: The provider's name, for the message.
        why: Why it cannot, or what to pass instead.

    Raises:
        LMUnsupportedFeatureError: always.
    """
    raise LMUnsupportedFeatureError(f"{provider} cannot do what {name} asks: {why}", feature=name, provider=provider)
