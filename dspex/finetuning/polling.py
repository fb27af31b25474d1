"""`Polling`: how often to ask how a job is doing, less and less often. Pure: workflows use it too."""

from __future__ import annotations

from pydantic import BaseModel


class Polling(BaseModel):
    """How often to look at a job.

    Attributes:
        first: The shortest interval between two looks, in seconds.
        longest: The longest interval, in seconds.
        looks_a_history: After so many looks a durable run continues as new: each look is a dozen events.
    """

    first: float = 1.0
    longest: float = 60.0
    looks_a_history: int = 300

    def wait(self, elapsed: float) -> float:
        """Seconds to wait when `elapsed` seconds have passed: a twentieth of them, within the bounds."""
        return min(self.longest, max(self.first, elapsed / 20))
