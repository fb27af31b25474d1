"""What a call costs, against figures computed by hand from the providers' price lists."""

from __future__ import annotations

from typing import Any

import pytest

from dspex import settings
from dspex.clients.canonical.usage import TokenCounts, token_counts
from dspex.clients.cost.pricing import checked_price, cost_usd, tokens_usd
from dspex.errors import UsageError

OPENAI_CHAT = {
    "prompt_tokens": 2_000,
    "completion_tokens": 700,
    "total_tokens": 2_700,
    "prompt_tokens_details": {"cached_tokens": 1_536, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 512, "audio_tokens": 0},
}
OPENAI_RESPONSES = {
    "input_tokens": 2_000,
    "input_tokens_details": {"cached_tokens": 1_536},
    "output_tokens": 700,
    "output_tokens_details": {"reasoning_tokens": 512},
    "total_tokens": 2_700,
}
ANTHROPIC = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 400,
    "cache_read_input_tokens": 1_500,
    "cache_creation": {"ephemeral_5m_input_tokens": 250, "ephemeral_1h_input_tokens": 150},
    "output_tokens": 700,
}
LITELLM_OF_ANTHROPIC = {
    "prompt_tokens": 2_000,
    "completion_tokens": 700,
    "total_tokens": 2_700,
    "prompt_tokens_details": {"cached_tokens": 1_500, "cache_creation_tokens": 400},
    "cache_creation_input_tokens": 400,
    "cache_read_input_tokens": 1_500,
}
GEMINI = {
    "promptTokenCount": 1_900,
    "toolUsePromptTokenCount": 100,
    "cachedContentTokenCount": 1_500,
    "candidatesTokenCount": 188,
    "thoughtsTokenCount": 512,
    "totalTokenCount": 2_700,
}
XAI = {
    "prompt_tokens": 2_000,
    "completion_tokens": 188,
    "total_tokens": 2_700,
    "completion_tokens_details": {"reasoning_tokens": 512},
}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (OPENAI_CHAT, TokenCounts(prompt=2_000, cached=1_536, completion=700, reasoning=512)),
        (OPENAI_RESPONSES, TokenCounts(prompt=2_000, cached=1_536, completion=700, reasoning=512)),
        (ANTHROPIC, TokenCounts(prompt=2_000, cached=1_500, cache_write=400, completion=700, cache_write_1h=150)),
        (LITELLM_OF_ANTHROPIC, TokenCounts(prompt=2_000, cached=1_500, cache_write=400, completion=700)),
        (GEMINI, TokenCounts(prompt=2_000, cached=1_500, completion=700, reasoning=512)),
        (XAI, TokenCounts(prompt=2_000, completion=700, reasoning=512)),
        ({}, TokenCounts()),
        ({"prompt_tokens": None, "completion_tokens": "many", "prompt_tokens_details": None}, TokenCounts()),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, TokenCounts(prompt=5, cached=5)),
    ],
)
def test_tokens_are_told_apart_in_every_shape(usage: dict[str, Any], tokens: TokenCounts) -> None:
    assert token_counts(usage) == tokens


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        # $0.15 a million sent, $0.075 of them cached, $0.60 answered
        ("openai/gpt-4o-mini", OPENAI_CHAT, (464 * 0.15 + 1_536 * 0.075 + 700 * 0.60) / 1e6),
        ("gpt-4o-mini", OPENAI_RESPONSES, (464 * 0.15 + 1_536 * 0.075 + 700 * 0.60) / 1e6),
        # $1.10, $0.55, $4.40; what is thought is paid for as what is said
        ("openai/o3-mini", OPENAI_CHAT, (464 * 1.10 + 1_536 * 0.55 + 700 * 4.40) / 1e6),
        # $0.80, $0.08 read from the cache, $1 written for five minutes, $1.60 for an hour, $4
        (
            "anthropic/claude-3-5-haiku-latest",
            ANTHROPIC,
            (100 * 0.80 + 1_500 * 0.08 + 250 * 1.00 + 150 * 1.60 + 700 * 4.00) / 1e6,
        ),
        # $0.30, $0.03, $2.50
        ("gemini/gemini-2.5-flash", GEMINI, (500 * 0.30 + 1_500 * 0.03 + 700 * 2.50) / 1e6),
        ("openrouter/openai/gpt-4o-mini", OPENAI_CHAT, (464 * 0.15 + 1_536 * 0.075 + 700 * 0.60) / 1e6),
        ("openai/text-embedding-3-small", {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}, 0.02),
    ],
)
def test_price_is_that_of_the_price_list(model: str, usage: dict[str, Any], dollars: float) -> None:
    assert cost_usd(model, usage) == pytest.approx(dollars, rel=1e-12)


def test_price_that_rises_with_the_length_of_the_prompt() -> None:
    short = {"input_tokens": 100_000, "output_tokens": 1_000}
    assert cost_usd("anthropic/claude-sonnet-4-5", short) == pytest.approx((100_000 * 3 + 1_000 * 15) / 1e6)
    long = {"input_tokens": 300_000, "output_tokens": 1_000}
    assert cost_usd("anthropic/claude-sonnet-4-5", long) == pytest.approx((300_000 * 6 + 1_000 * 22.5) / 1e6)


@pytest.mark.parametrize("model", ["openai/practice", "openai/meta-llama/Unknown-1B", "practice", "nobody/nothing"])
def test_unknown_model_has_no_price(model: str) -> None:
    assert cost_usd(model, {"prompt_tokens": 5}) is None


def test_unreported_usage_has_no_price() -> None:
    assert cost_usd("openai/gpt-4o-mini", {}) is None


def test_own_price_goes_before_the_known_one_and_the_configured_one() -> None:
    tokens = TokenCounts(prompt=1_000, cached=400, cache_write=100, completion=10)
    with settings.context(prices={"openai/gpt-4o-mini": {"input": 1.0, "output": 2.0}}):
        configured = tokens_usd("openai/gpt-4o-mini", tokens)
        own = {"input": 10.0, "cached_input": 1.0, "cache_write": 20.0, "output": 100.0}
        given = tokens_usd("openai/gpt-4o-mini", tokens, own)
    assert configured == pytest.approx((1_000 * 1.0 + 10 * 2.0) / 1e6)
    assert given == pytest.approx((500 * 10.0 + 400 * 1.0 + 100 * 20.0 + 10 * 100.0) / 1e6)


@pytest.mark.parametrize(
    "price",
    [
        {},
        {"input": 1.0},
        {"input": 1.0, "output": 1.0, "cached": 0.1},
        {"input": "1", "output": 1.0},
        {"input": -1.0, "output": 1.0},
        {"input": float("nan"), "output": 1.0},
        {"input": True, "output": 1.0},
        3.0,
    ],
)
def test_what_is_no_price_is_refused(price: Any) -> None:
    with pytest.raises(UsageError, match="price"):
        checked_price(price, "openai/mine")
