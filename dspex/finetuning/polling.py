"""How often a job is asked how it goes: soon at first, then less and less often. Pure, for workflows too."""

from __future__ import annotations

from pydantic import BaseModel


class Polling(BaseModel):
    """Seconds between two looks at a job."""

    first: float = 1.0
    longest: float = 60.0

    def wait(self, elapsed: float) -> float:
        """How long to wait after `elapsed` seconds: a twentieth of them, within the bounds."""
        return min(self.longest, max(self.first, elapsed / 20))
