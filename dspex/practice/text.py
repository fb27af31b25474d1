"""What the practice model sees in a text: weighted words, word pairs and letter triples.

This is all the English it knows: which words carry little meaning, and how endings are dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

Features = dict[str, float]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_FAINT = 0.15
_PAIR = 0.5
_TRIPLE = 0.33


def words(text: str) -> list[str]:
    """The words of `text` in order, in lower case."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


_FUNCTION_WORDS = frozenset(
    words("""
    a about after again all also am an and any are aren't as at be because been before being but by can can't
    could couldn't did didn't do does doesn't doing don't done dont down each few for from further get gets
    getting go got had has hasn't have haven't having he hello help her here hers hey hi him his how i i'd i'll
    i'm i've id if ill im in into is isn't it it's its ive just know let like may me might more most must my need
    no nor not now of off oh ok okay on once only or other our out over own please really same say she should
    shouldn't so some still such tell than thank thanks that that's the their them then there there's these they
    thing things this those to too under until up us very want wants was wasn't we we're were weren't what what's
    when where which while who whom why will with won't would wouldn't yes you you're your
    """)
)


def carries_meaning(word: str) -> bool:
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


@lru_cache(maxsize=16384)
def _word_features(word: str) -> tuple[str, float, tuple[str, ...]]:
    root = stem(word)
    if not carries_meaning(word):
        return root, _FAINT, ()
    framed = f"^{root}$"
    return root, 1.0, tuple("#" + framed[i : i + 3] for i in range(len(framed) - 2))


@lru_cache(maxsize=2048)
def features(text: str) -> Features:
    """The weighted features of `text`. The result is shared: do not change it."""
    found: Features = {}
    before = ""
    before_weight = 0.0
    for word in words(text):
        root, weight, triples = _word_features(word)
        found[root] = found.get(root, 0.0) + weight
        for triple in triples:
            found[triple] = _TRIPLE
        if before:
            found[f"{before} {root}"] = _PAIR * (weight + before_weight) / 2
        before, before_weight = root, weight
    return found
