"""The language model that a command line names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.clients import LM


@dataclass(frozen=True)
class LMArguments:
    """The language model as given on the command line.

    Args:
        lm: The model, ``provider/name``.
        api_base: URL of the server, up to and with ``/v1``.
        api_key_env: Name of the environment variable that holds the key.
        max_tokens: The most tokens of an answer.
        temperature: Sampling temperature.
        concurrency: Calls in flight at once.
        price: ``input=0.15,output=0.60``, in US dollars per million tokens.
    """

    lm: str | None
    api_base: str | None = None
    api_key_env: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    concurrency: int = 64
    price: str | None = None


def make_lm(arguments: LMArguments) -> LM:
    """The LM that `arguments` name. Its key stays in the environment.

    Raises:
        UsageError: none is named.
        LMConfigurationError: it cannot be called as it is set up.
    """
    from dspex.clients import LM
    from dspex.clients.wires.endpoints import parse_model, resolve

    if not arguments.lm:
        raise UsageError("No language model. Name one: --lm openai/gpt-4o-mini, say, or --lm NAME --api-base URL.")
    resolve(parse_model(arguments.lm), "chat", arguments.api_base, None, key=True)  # only workers need the real key
    return LM(
        arguments.lm,
        api_base=arguments.api_base,
        api_key_env=arguments.api_key_env,
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        max_concurrency=arguments.concurrency,
        price=_price(arguments.price),
    )


def _price(text: str | None) -> dict[str, float] | None:
    """``input=0.15,output=0.60`` as a price."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        return {name.strip(): float(rate) for name, _, rate in pairs}
    except ValueError:
        raise UsageError(f"--price {text}: write input=0.15,output=0.60, in US dollars per million tokens.") from None
