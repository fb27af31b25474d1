"""Scores of tokens in the shape of log probabilities.

The practice model has no probabilities. These are pseudo scores, made from the text alone: the same text always has the
same, the chosen token is the likeliest of its place, and what is listed for a place adds up to less than one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from dspex_practice.model.tokens import pieces

_LEAST = 0.55
"""Below which no chosen token falls, so that none of the others can be likelier."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A token, its pseudo log probability, and the likeliest tokens of its place, itself first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


def score(text: str, top: int) -> list[Scored]:
    """The tokens of `text` with `top` listed for each place."""
    return [_scored(token, place, top) for place, token in enumerate(pieces(text))]


def _scored(token: str, place: int, top: int) -> Scored:
    chance = _LEAST + (0.999 - _LEAST) * _share(token, place)
    shown = [(token, math.log(chance))]
    rest = 1 - chance
    for other in _others(token):
        if len(shown) >= top:
            break
        rest /= 2
        shown.append((other, math.log(rest)))
    return Scored(token, shown[0][1], tuple(shown[:top]))


def _share(token: str, place: int) -> float:
    raw = blake2b(token.encode("utf-8", "replace") + place.to_bytes(4, "big"), digest_size=8).digest()
    return float(int.from_bytes(raw, "big")) / 2**64


def _others(token: str) -> Iterator[str]:
    seen = {token}
    for other in (token.swapcase(), token[::-1], token.strip(), *(f"{token[:2]}{i}" for i in range(40))):
        if other and other not in seen:
            seen.add(other)
            yield other
