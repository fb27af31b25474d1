"""The most that a call can come to, found out before it is made: an upper bound, not a guess of the usual.

A token is at least a byte of what is sent, so no prompt has more tokens than its request has bytes. What comes back is
bounded by `max_tokens`; without it, by what the model can give at most.
"""

from __future__ import annotations

import re

from dspex.clients.canonical.usage import TokenCounts
from dspex.clients.cost.pricing import OwnPrice, tokens_usd
from dspex.store.records.budget import CostUpperBound

MEDIA_TOKENS = 50_000
"""For each image, file or recording that is sent as an address: nobody here knows its size."""
_TOOLS_TOKENS = 2_000
"""For what providers add of their own where tools are offered."""

_MEDIA = re.compile(rb'"(?:url|image_url|file_url|file_id|file_uri|fileUri|video_url)":"(?!data:)')
_LIMIT = re.compile(rb'"(?:max_tokens|max_completion_tokens|max_output_tokens|maxOutputTokens)":(\d+)')
_CHOICES = re.compile(rb'"(?:n|candidateCount|best_of)":(\d+)')
_CACHED = b'"cache_control"'

_LONGEST_ANSWERS = (
    (r"gpt-5|codex", 128_000),
    (r"(^|/)o[1-9]", 100_000),
    (r"gpt-4\.1", 32_768),
    (r"gpt-4o|gpt-4-turbo|gpt-3\.5", 16_384),
    (r"gemini-(1|2\.0)", 8_192),
    (r"gemini", 65_536),
    (r"claude", 64_000),
)
LONGEST_ANSWER = 32_768
"""Tokens that a model gives at most, where neither the caller nor the table above says."""


def request_upper_bound(
    model: str, body: bytes, price: OwnPrice | None, *, answers: bool = True, more: int = 0
) -> CostUpperBound:
    """Compute the most that a request can cost, in tokens and US dollars.

    Args:
        model: The model's name.
        body: The request as it is sent. One byte counts as one token.
        price: The user's price of the model, in US dollars per million tokens. None: the configured or known one.
        answers: Whether tokens come back; embeddings bring none.
        more: Tokens of the prompt that are not in `body` yet.

    Returns:
        The bound. Its dollars are None for a model without a known price.
    """
    prompt = len(body) + len(_MEDIA.findall(body)) * MEDIA_TOKENS + more
    if b'"tools":' in body:
        prompt += _TOOLS_TOKENS
    completion = longest_answer(model, body) if answers else 0
    tokens = TokenCounts(prompt=prompt, completion=completion)
    usd = tokens_usd(model, tokens, price)
    if usd is not None and _CACHED in body:
        # Writing to the provider's cache may cost more than sending, for an hour twice as much; reading never does.
        for_an_hour = prompt if b'"1h"' in body else 0
        written = TokenCounts(prompt, cache_write=prompt, cache_write_1h=for_an_hour, completion=completion)
        usd = max(usd, tokens_usd(model, written, price) or 0.0)
    return CostUpperBound(prompt + completion, usd)


def longest_answer(model: str, body: bytes) -> int:
    """Compute the most tokens that can come back, over all choices.

    Args:
        model: The model's name, for its longest answer where the request sets no limit.
        body: The request as it is sent.
    """
    limits = [int(found) for found in _LIMIT.findall(body)]
    longest = max(limits) if limits else _of_model(model)
    return longest * max((int(found) for found in _CHOICES.findall(body)), default=1)


def _of_model(model: str) -> int:
    name = model.lower()
    return next((tokens for pattern, tokens in _LONGEST_ANSWERS if re.search(pattern, name)), LONGEST_ANSWER)
