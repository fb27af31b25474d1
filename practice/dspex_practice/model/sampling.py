"""Choosing the best of a few, or at a temperature one of the better ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much a choice may vary, and what it follows from."""

    temperature: float
    seed: str

    def best(self, scores: Sequence[float], spread: float) -> int:
        """The place of the best score, each moved by about `spread` at temperature 1; -1 where there are none."""
        if self.temperature > 0 and len(scores) > 1:
            chance = random.Random(self.seed)
            scores = [score + gumbel(chance) * spread * self.temperature for score in scores]
        return max(range(len(scores)), key=scores.__getitem__, default=-1)


STEADY = Sampling(0.0, "")
"""Always the best."""


def gumbel(chance: random.Random) -> float:
    """What makes the largest of some scores a sample of their softmax."""
    return -math.log(-math.log(chance.random() or 0.5))
