"""The language model that a command line names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.clients import LM


@dataclass(frozen=True)
class LMOptions:
    """As given on the command line."""

    lm: str | None
    api_base: str | None = None
    api_key_env: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    concurrency: int = 64


def make_lm(options: LMOptions) -> LM:
    """The LM. Its key stays where it is, in the environment.

    Raises:
        UsageError: none is named.
        LMConfigurationError: it cannot be called as it is set up.
    """
    from dspex.clients import LM
    from dspex.clients.providers import parse_model, resolve

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
    )
