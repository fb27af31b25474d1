"""What the practice model sees in a text: weighted words, word pairs, letter triples and groups of near meaning."""

from __future__ import annotations

import re
from functools import lru_cache

from dspex_practice.model.reading.stopwords import FUNCTION_WORDS, NEAR_IN_MEANING

Features = dict[str, float]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_FAINT = 0.15
_PAIR = 0.5
_TRIPLE = 0.2
_SENSE = 0.9


def words(text: str) -> list[str]:
    """The words of `text` in order, in lower case."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


_FUNCTION_WORDS = frozenset(words(FUNCTION_WORDS))


def carries_meaning(word: str) -> bool:
    """Whether `word` says something about the subject, unlike "the" or "please"."""
    return word not in _FUNCTION_WORDS and (len(word) > 1 or word.isdigit())


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """`word` without its commonest English endings, so that "refunds" and "refunded" meet."""
    if word.endswith("'s"):
        word = word[:-2]
    if len(word) > 5 and word.endswith("ing"):
        word = word[:-3]
    elif len(word) > 4 and word.endswith(("ied", "ies")):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith("ed"):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word


def _senses() -> dict[str, tuple[str, ...]]:
    """For each stem the groups of near meaning it is in."""
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(NEAR_IN_MEANING.strip().splitlines()):
        for word in words(line):
            found.setdefault(stem(word), {})[f"@{number}"] = None
    return {root: tuple(groups) for root, groups in found.items()}


_SENSES = _senses()


@lru_cache(maxsize=16384)
def _word_features(word: str) -> tuple[str, float, tuple[tuple[str, float], ...]]:
    root = stem(word)
    if not carries_meaning(word):
        return root, _FAINT, ()
    framed = f"^{root}$"
    triples = tuple(("#" + framed[i : i + 3], _TRIPLE) for i in range(len(framed) - 2))
    return root, 1.0, triples + tuple((group, _SENSE) for group in _SENSES.get(root, ()))


@lru_cache(maxsize=2048)
def features(text: str) -> Features:
    """The weighted features of `text`. The result is shared: do not change it."""
    found: Features = {}
    before = ""
    before_weight = 0.0
    for word in words(text):
        root, weight, parts = _word_features(word)
        found[root] = found.get(root, 0.0) + weight
        for part, part_weight in parts:
            found[part] = part_weight
        if before:
            found[f"{before} {root}"] = _PAIR * (weight + before_weight) / 2
        before, before_weight = root, weight
    return found
