"""What the practice server has been asked and has answered. Requests are told apart by a digest of their whole body."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stats:
    """Counters since the start or the last reset."""

    calls: int = 0
    answered: int = 0
    duplicates: int = 0
    """Requests whose very body had been answered in full before."""
    abandoned: int = 0
    """Callers that had gone when their answer was ready: not answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    _seen: Counter[bytes] = field(default_factory=Counter)
    _answered: set[bytes] = field(default_factory=set)

    def begin(self) -> None:
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        self.in_flight = max(0, self.in_flight - 1)

    def saw(self, digest: bytes) -> int:
        """Note one more attempt of a request. Returns how many there were before."""
        self.duplicates += digest in self._answered
        self._seen[digest] += 1
        return self._seen[digest] - 1

    def gave(self, digest: bytes, prompt_tokens: int, completion_tokens: int) -> None:
        """Note a whole answer."""
        self.answered += 1
        self._answered.add(digest)
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def reset(self) -> None:
        """Start counting anew; what is in flight stays in flight."""
        fresh = Stats(in_flight=self.in_flight, max_in_flight=self.in_flight)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def report(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "answered": self.answered,
            "distinct_requests": len(self._seen),
            "duplicates": self.duplicates,
            "abandoned": self.abandoned,
            "errors": dict(sorted(self.errors.items())),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
        }
