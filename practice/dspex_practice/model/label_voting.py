"""Choosing one of a field's labels: examples near the query vote, and so do the words of labels and instruction."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dspex_practice.model.reading.label_rules import rules, spoken
from dspex_practice.model.reading.text import Features, features

Postings = dict[str, list[tuple[int, float]]]

_NAME_WEIGHT = 0.2
_RULE_WEIGHT = 0.25
_RULE_FLOOR = 25.0
"""Keeps a rule of one or two words from counting for more than a whole list of them."""
_TOGETHER = 0.4
"""What all examples of a label together count for, against each alone (whose similarity is squared)."""
_SMALLEST_SHARE = 0.3
"""What even a feature of every text counts for, against the rarity weight of the rare ones."""


class SimilarityIndex:
    """Texts by their features, so that a query touches only what it shares with them."""

    def __init__(self, texts: Sequence[Features]) -> None:
        self.size = len(texts)
        counts = Counter(feature for text in texts for feature in text)
        self._rarity = {feature: self._rarity_of(count) for feature, count in counts.items()}
        self._unseen = self._rarity_of(0)
        self._postings: Postings = defaultdict(list)
        for i, text in enumerate(texts):
            norm = self._norm(text)
            for feature, value in text.items():
                self._postings[feature].append((i, value * self._rarity[feature] ** 2 / norm))
        self._postings.default_factory = None

    def similarities(self, query: Features) -> list[float]:
        """The cosine of `query` to each text, rare features counting most."""
        found = [0.0] * self.size
        if not self.size:
            return found
        norm = self._norm(query)
        postings = self._postings
        for feature, value in query.items():
            for i, weight in postings.get(feature, ()):
                found[i] += value * weight
        return [value / norm for value in found]

    def _rarity_of(self, count: int) -> float:
        return math.log((self.size + 1.5) / (count + 0.5)) + _SMALLEST_SHARE

    def _norm(self, text: Features) -> float:
        rarity, unseen = self._rarity, self._unseen
        return math.sqrt(sum((value * rarity.get(feature, unseen)) ** 2 for feature, value in text.items())) or 1.0


class LabelVoting:
    """The labels of one output field and all that the prompt says for each of them."""

    def __init__(self, labels: Sequence[Any], instruction: str, examples: Iterable[Any]) -> None:
        self.labels = list(labels)
        texts = [str(label) for label in labels]
        place = {text: i for i, text in enumerate(texts)}
        self._voters = [place.get(str(value).strip(), -1) for value in examples]
        counts = Counter(self._voters)
        self._shares = [_TOGETHER / math.sqrt(counts[voter]) for voter in self._voters]
        self._postings = _label_postings(tuple(texts), instruction)

    def scores(self, query: Features, similarities: Sequence[float]) -> list[float]:
        """How much speaks for each label."""
        found = [0.0] * len(self.labels)
        for voter, similarity, share in zip(self._voters, similarities, self._shares, strict=True):
            if voter >= 0:
                found[voter] += similarity * (similarity + share)
        postings = self._postings
        for feature, value in query.items():
            for i, weight in postings.get(feature, ()):
                found[i] += value * weight
        return found


@lru_cache(maxsize=128)  # examples may differ at every call, labels and instruction do not
def _label_postings(labels: tuple[str, ...], instruction: str) -> Postings:
    names = [features(spoken(label)) for label in labels]
    hints = rules(instruction, labels)
    postings: Postings = defaultdict(list)
    for weight, profiles, floor in ((_NAME_WEIGHT, names, 0.0), (_RULE_WEIGHT, hints, _RULE_FLOOR)):
        counts = Counter(feature for profile in profiles for feature in profile)
        rarity = {feature: math.log((len(labels) + 1) / (count + 0.5)) for feature, count in counts.items()}
        for i, profile in enumerate(profiles):
            norm = _length(profile, rarity, floor)
            for feature, value in profile.items():
                postings[feature].append((i, weight * value * rarity[feature] / norm))
    return dict(postings)


def _length(profile: Features, rarity: Mapping[str, float], floor: float) -> float:
    return math.sqrt(floor + sum(value * value * rarity[feature] for feature, value in profile.items())) or 1.0
