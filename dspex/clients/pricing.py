"""What a call costs, by genai-prices. A model without a known price costs None, never a guess."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

Price = Callable[[dict[str, Any]], float | None]


def cost_usd(model: str, usage: dict[str, Any]) -> float | None:
    """The price in US dollars of the tokens in `usage` (OpenAI's shape) for `model` (``"openai/gpt-4o-mini"``).

    The price is that of the model's name, wherever it is served. None for an unknown model or unreported usage.
    """
    return _price(model)(usage) if usage else None


@lru_cache(maxsize=256)
def _price(model: str) -> Price:
    """How to price calls of `model`. Looking a model up costs 0.1 ms and the table 0.2 s, so each is done once."""
    from genai_prices import Usage, calc_price

    provider, _, name = model.rpartition("/") if model.count("/") == 1 else ("openai", "", model)
    try:
        known = calc_price(Usage(input_tokens=0, output_tokens=0), name, provider_id=provider or "openai")
    except LookupError:
        return _unknown
    rates = known.model_price
    flat = [rates.input_mtok, rates.cache_read_mtok or rates.input_mtok, rates.output_mtok]
    if all(isinstance(rate, Decimal) for rate in flat):
        return _flat_price(*(float(rate) / 1e6 for rate in flat if isinstance(rate, Decimal)))

    def tiered(usage: dict[str, Any]) -> float | None:
        fresh, cached, out = _split(usage)
        tokens = Usage(input_tokens=fresh + cached, cache_read_tokens=cached or None, output_tokens=out)
        return float(calc_price(tokens, name, provider_id=provider or "openai").total_price)

    return tiered


def _flat_price(fresh_rate: float, cached_rate: float, out_rate: float) -> Price:
    def price(usage: dict[str, Any]) -> float | None:
        fresh, cached, out = _split(usage)
        return fresh * fresh_rate + cached * cached_rate + out * out_rate

    return price


def _unknown(usage: dict[str, Any]) -> float | None:
    return None


def _split(usage: dict[str, Any]) -> tuple[int, int, int]:
    """Prompt tokens at the full rate, prompt tokens from the provider's cache, completion tokens."""
    prompt = usage.get("prompt_tokens") or usage.get("input_tokens") or 0  # the latter in the Responses API
    out = usage.get("completion_tokens") or usage.get("output_tokens") or 0
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = (details.get("cached_tokens") or 0) if isinstance(details, dict) else 0
    return prompt - cached, cached, out
