"""What a call costs: at the user's own prices, else at those of genai-prices. A model without a known price costs None,
never a guess.

A user's price is a dict of US dollars per million tokens: ``{"input": 0.15, "output": 0.60}``, with ``cached_input``
(read from the provider's cache) and ``cache_write`` where they differ from ``input``. It is given to one model
(``LM(..., price=...)``) or to several by name (``dspex.configure(prices={"openai/my-model": {...}})``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

from dspex.clients.canonical.usage import TokenCounts, token_counts
from dspex.errors import UsageError
from dspex.settings import read

Price = Callable[[TokenCounts], float]
"""US dollars for the tokens of one call."""

OwnPrice = Mapping[str, float]

_KEYS = ("input", "output", "cached_input", "cache_write")
_PER = 1e6


def cost_usd(model: str, usage: Mapping[str, Any], own: OwnPrice | None = None) -> float | None:
    """Price the tokens in `usage`, in US dollars.

    Args:
        model: The model's name (``"openai/gpt-4o-mini"``). Its price holds wherever the model is served.
        usage: The usage that the provider reported, in OpenAI's shape.
        own: The user's price of this model, in US dollars per million tokens. None: the configured or known one.

    Returns:
        None for a model without a known price, or an empty usage.

    Raises:
        UsageError: the user's price is malformed.
    """
    return tokens_usd(model, token_counts(usage), own) if usage else None


def tokens_usd(model: str, tokens: TokenCounts, own: OwnPrice | None = None) -> float | None:
    """Price `tokens`, in US dollars.

    Args:
        model: The model's name.
        tokens: How many tokens of which kind.
        own: The user's price of this model, in US dollars per million tokens. None: the configured or known one.

    Returns:
        None for a model without a known price.

    Raises:
        UsageError: the user's price is malformed.
    """
    price = price_of(model, own)
    return None if price is None else price(tokens)


def price_of(model: str, own: OwnPrice | None = None) -> Price | None:
    """Find how to price calls of a model: by `own`, else by ``dspex.configure(prices=...)``, else by genai-prices.

    Args:
        model: The model's name.
        own: The user's price of this model, in US dollars per million tokens.

    Returns:
        A function from token counts to US dollars; None for a model without a known price.

    Raises:
        UsageError: the user's price is malformed.
    """
    own = users_price(model, own)
    if own is not None:
        return _own_price(tuple(sorted(checked_price(own, model).items())))
    return _known_price(model)


def users_price(model: str, own: OwnPrice | None = None) -> OwnPrice | None:
    """Return the price that the user has given to a model: `own`, else the configured one, else None.

    Call this where a call is made, and not in the store's thread: settings hold only where they are read.

    Args:
        model: The model's name.
        own: The price that the LM was built with, in US dollars per million tokens.
    """
    if own is not None:
        return own
    configured = read("prices")
    return configured.get(model) if configured else None


def checked_price(price: Any, model: str = "") -> dict[str, float]:
    """Return `price` as plain numbers.

    Args:
        price: A dict of US dollars per million tokens (see the module).
        model: Whose price it is, for the message.

    Raises:
        UsageError: it is not a price; the message says what is.
    """
    whose = f" of {model}" if model else ""
    if not isinstance(price, Mapping) or not {"input", "output"} <= set(price) or set(price) - set(_KEYS):
        raise UsageError(
            f"The price{whose} is a dict of US dollars per million tokens with the keys input and output and, where "
            f"they differ from input, cached_input and cache_write; not {price!r}."
        )
    for name, rate in price.items():
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not (isfinite(rate) and rate >= 0):
            raise UsageError(f"The price{whose}: {name}={rate!r} is no number of dollars, zero or more.")
    return {name: float(rate) for name, rate in price.items()}


def checked_prices(prices: Any) -> dict[str, dict[str, float]] | None:
    """Return prices by model, as `dspex.configure(prices=...)` takes them; None if there are none.

    Raises:
        UsageError: one of them is malformed.
    """
    if not prices:
        return None
    if not isinstance(prices, Mapping):
        raise UsageError('prices= is a dict by model: {"openai/my-model": {"input": 0.15, "output": 0.6}}.')
    return {str(model): checked_price(price, str(model)) for model, price in prices.items()}


@lru_cache(maxsize=256)
def _own_price(price: tuple[tuple[str, float], ...]) -> Price:
    rates = dict(price)
    fresh = rates["input"]
    written = rates.get("cache_write", fresh)
    return _flat_price(fresh, rates.get("cached_input", fresh), written, written, rates["output"])


@lru_cache(maxsize=256)
def _known_price(model: str) -> Price | None:
    """Looking a model up costs 0.1 ms and the table 0.2 s, so each is done once."""
    from genai_prices import Usage, calc_price

    first, slash, rest = model.partition("/")
    provider, name = (first, rest) if slash else ("openai", model)
    try:
        rates = calc_price(Usage(input_tokens=0, output_tokens=0), name, provider_id=_PROVIDERS.get(provider, provider))
    except LookupError:
        return None
    flat = _flat_rates(rates.model_price)

    def exact(tokens: TokenCounts) -> float:
        usage = Usage(
            input_tokens=tokens.prompt,
            cache_read_tokens=tokens.cached or None,
            cache_write_tokens=tokens.cache_write or None,
            cache_write_1h_tokens=tokens.cache_write_1h or None,
            output_tokens=tokens.completion,
            output_reasoning_tokens=tokens.reasoning or None,
            input_audio_tokens=tokens.prompt_audio or None,
            output_audio_tokens=tokens.completion_audio or None,
            cache_audio_read_tokens=0 if tokens.cached and tokens.prompt_audio else None,  # providers do not report it
        )
        return float(rates.model_price.calc_price(usage)["total_price"])

    if flat is None:
        return exact
    quick = _flat_price(*flat)
    return lambda tokens: exact(tokens) if tokens.prompt_audio or tokens.completion_audio else quick(tokens)


_PROVIDERS = {"vertex_ai": "google", "ollama_chat": "ollama"}
"""Prefixes of DSPy's users that genai-prices has another name for."""


def _flat_rates(rates: Any) -> tuple[float, float, float, float, float] | None:
    """The rates in dollars per million tokens; None where they depend on more than that."""
    if rates.output_reasoning_mtok is not None or not isinstance(rates.input_mtok, Decimal):
        return None
    fresh = rates.input_mtok
    written = rates.cache_write_mtok or rates.cache_write_5m_mtok or fresh
    all_rates = [
        fresh,
        rates.cache_read_mtok or fresh,
        written,
        rates.cache_write_1h_mtok or written,
        rates.output_mtok or Decimal(0),  # none for embeddings
    ]
    if not all(isinstance(rate, Decimal) for rate in all_rates):
        return None
    return tuple(float(rate) for rate in all_rates)  # type: ignore[return-value]


def _flat_price(fresh: float, cached: float, written: float, written_1h: float, out: float) -> Price:
    def price(tokens: TokenCounts) -> float:
        short, long = tokens.cache_write - tokens.cache_write_1h, tokens.cache_write_1h
        anew = max(0, tokens.prompt - tokens.cached - tokens.cache_write)
        sent = anew * fresh + tokens.cached * cached + short * written + long * written_1h
        return (sent + tokens.completion * out) / _PER

    return price
