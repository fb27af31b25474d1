"""Scores, summed exactly.

Floating-point addition depends on its order, and examples finish in any order, on any host. So scores are summed as
fractions: the sum of a set of scores is one number, however they were divided up, and the percentage is rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from dspex.errors import UsageError


class ExactSum:
    """A sum of scores. As text (``str(total)``, ``ExactSum.parse(text)``) it is a fraction such as ``"7/2"``."""

    __slots__ = ("_sum",)

    def __init__(self, start: float | Fraction = 0) -> None:
        self._sum = Fraction(start)

    @classmethod
    def parse(cls, text: str) -> ExactSum:
        """Read the sum that ``str`` wrote."""
        return cls(Fraction(text))

    @classmethod
    def of(cls, scores: Iterable[float]) -> ExactSum:
        """Return the exact sum of `scores`."""
        total = cls()
        for score in scores:
            total.add(score)
        return total

    def add(self, score: float) -> None:
        """Add one score. The value of the float itself is added, without rounding."""
        self._sum += Fraction(score)

    def merge(self, other: ExactSum) -> None:
        """Add another sum, such as that of another chunk."""
        self._sum += other._sum

    def mean(self, count: int) -> float:
        """Return the average over `count` examples, rounded once, to the nearest float."""
        return float(self._sum / count)

    def percent(self, count: int) -> float:
        """Return the average over `count` examples in percent, with two decimals: DSPy's score."""
        return round(float(100 * self._sum / count), 2)

    def __float__(self) -> float:
        return float(self._sum)

    def __str__(self) -> str:
        return f"{self._sum.numerator}/{self._sum.denominator}"

    def __repr__(self) -> str:
        return f"ExactSum({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactSum) and self._sum == other._sum

    def __hash__(self) -> int:
        return hash(self._sum)


def as_score(value: Any) -> float:
    """Return the number that a metric's result stands for: a bool, a number, or a `Prediction` with a `score`.

    Raises:
        UsageError: it stands for none.
    """
    try:
        score = float(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"The metric returned {value!r}. A metric returns a bool, a number, or a Prediction with a `score`."
        ) from None
    if not math.isfinite(score):
        raise UsageError(f"The metric returned {value!r}, and a score must be finite.")
    return score
