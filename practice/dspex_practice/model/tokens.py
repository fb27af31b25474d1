"""Tokens, approximated: one for four characters. So a token is four characters, wherever one is needed."""

from __future__ import annotations

from collections.abc import Sequence

CHARS_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
TOKENS_A_PICTURE = 85
"""Of an image, a file or a sound, which are counted and not looked at."""


def count_tokens(text: str) -> int:
    """About how many tokens `text` has."""
    return -(-len(text) // CHARS_A_TOKEN)


def pieces(text: str) -> Sequence[str]:
    """The tokens of `text`; joined, they are `text`."""
    return [text[i : i + CHARS_A_TOKEN] for i in range(0, len(text), CHARS_A_TOKEN)]
