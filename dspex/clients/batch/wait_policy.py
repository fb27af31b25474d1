"""`BatchWaitPolicy`: when waiting calls are submitted, and how often their batches are looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchWaitPolicy:
    """When waiting calls are submitted, and how often their batches are looked at. All times are in seconds.

    Attributes:
        quiet: The calls that have come are submitted after so long without a new one.
        longest_quiet: They are submitted after so long even if calls keep coming.
        first_look: The first interval between two looks at a batch.
        longest_look: The longest interval between two looks.
        growth: What the interval grows by at each look that finds nothing new, as a factor.
    """

    quiet: float = 1.0
    longest_quiet: float = 60.0
    first_look: float = 5.0
    longest_look: float = 120.0
    growth: float = 1.5

    def next_look(self, seconds: float) -> float:
        """Return the interval that follows one of `seconds`, in seconds."""
        return min(seconds * self.growth, self.longest_look)
