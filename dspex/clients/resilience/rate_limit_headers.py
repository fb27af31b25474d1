"""What an endpoint says of its rate limits in the headers of its answers: how many calls it would still take now.

OpenAI and those who speak its format: ``x-ratelimit-remaining-requests`` and ``-tokens``. Anthropic:
``anthropic-ratelimit-requests-remaining`` and ``-tokens-remaining``.
"""

from __future__ import annotations

from collections.abc import Mapping

_REQUESTS = ("x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining")
_TOKENS = ("x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining")


def calls_left(headers: Mapping[str, str], tokens_a_call: float) -> float | None:
    """Compute how many calls the endpoint would accept now, by the requests and the tokens that it says are left.

    Args:
        headers: The headers of an answer, by their names in lower case.
        tokens_a_call: How many tokens the last calls used on average; 0.0 if there were none.

    Returns:
        None if the endpoint does not say.
    """
    requests = _number(headers, _REQUESTS)
    tokens = _number(headers, _TOKENS) if tokens_a_call > 0 else None
    by_tokens = None if tokens is None else tokens / tokens_a_call
    found = [each for each in (requests, by_tokens) if each is not None]
    return min(found) if found else None


def _number(headers: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        text = headers.get(name)
        if text is not None:
            try:
                return float(text)
            except ValueError:
                return None
    return None
