"""The practice model's embeddings: the features of a text, hashed into a vector of unit length.

No learned vectors: texts are near one another when they share words, word pairs, letter triples or groups of meaning.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b

from dspex_practice.model.reading.text import features

DIMENSIONS = 256


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The vector of `text`; that of a text without words points nowhere in particular, but always the same way."""
    found = [0.0] * dimensions
    for feature, weight in (features(text) or {text: 1.0}).items():
        place = _hash(feature)
        found[(place >> 1) % dimensions] += weight if place & 1 else -weight
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


@lru_cache(maxsize=65536)
def _hash(feature: str) -> int:
    digest = blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
