"""How often a job is asked how it goes: soon at first, then less and less often. Pure, for workflows too."""

from __future__ import annotations

from pydantic import BaseModel


class Polling(BaseModel):
    """How often to look: `first` and `longest` are the bounds of the seconds between two looks."""

    first: float = 1.0
    longest: float = 60.0
    looks_a_history: int = 300
    """After so many a durable run goes on in a new history: each look is a dozen events."""

    def wait(self, elapsed: float) -> float:
        """How long to wait after `elapsed` seconds: a twentieth of them, within the bounds."""
        return min(self.longest, max(self.first, elapsed / 20))
