"""What a call costs."""

from __future__ import annotations

import pytest

from dspex.clients.pricing import cost_usd


def test_known_model_is_priced_by_its_tokens() -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    assert cost_usd("openai/gpt-4o-mini", usage) == pytest.approx(0.15 + 0.60)
    assert cost_usd("gpt-4o-mini", usage) == cost_usd("openai/gpt-4o-mini", usage)


def test_prompt_tokens_from_the_providers_cache_are_cheaper() -> None:
    usage = {"prompt_tokens": 1_000_000, "prompt_tokens_details": {"cached_tokens": 1_000_000}}
    assert cost_usd("openai/gpt-4o-mini", usage) == pytest.approx(0.075)


@pytest.mark.parametrize("model", ["openai/practice", "openai/meta-llama/Unknown-1B", "practice"])
def test_unknown_model_has_no_price(model: str) -> None:
    assert cost_usd(model, {"prompt_tokens": 5}) is None


def test_unreported_usage_has_no_price() -> None:
    assert cost_usd("openai/gpt-4o-mini", {}) is None
