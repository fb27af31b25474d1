"""The language model that a command line names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.clients import LM


@dataclass(frozen=True)
class LMArguments:
    """As given on the command line."""

    lm: str | None
    api_base: str | None = None
    api_key_env: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    concurrency: int = 64
    price: str | None = None


def make_lm(options: LMArguments) -> LM:
    """The LM. Its key stays where it is, in the environment.

    Raises:
        UsageError: none is named.
        LMConfigurationError: it cannot be called as it is set up.
    """
    from dspex.clients import LM
    from dspex.clients.wires.endpoints import parse_model, resolve

    if not options.lm:
        raise UsageError("No language model. Name one: --lm openai/gpt-4o-mini, say, or --lm NAME --api-base URL.")
    resolve(parse_model(options.lm), "chat", options.api_base, None, key=True)  # its key is the workers' affair
    return LM(
        options.lm,
        api_base=options.api_base,
        api_key_env=options.api_key_env,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        max_concurrency=options.concurrency,
        price=_price(options.price),
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
