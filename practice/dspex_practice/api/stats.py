"""Counters of the requests and answers of a server. The digest of its whole body tells one request from another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Counts:
    """Of all calls of the model, or of one endpoint's."""

    calls: int = 0
    answered: int = 0
    refused: int = 0
    """Answered with an error status."""
    duplicates: int = 0
    """Requests whose very body had been answered in full before."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def report(self) -> dict[str, int]:
        """The counters by name."""
        return {field.name: getattr(self, field.name) for field in fields(Counts)}


@dataclass(slots=True)
class Stats(Counts):
    """Counters since the start or the last reset.

    The totals are of what asks the model, and would be paid for: the lines of batches too, not the batches; no files,
    jobs, lists or counts of tokens. These are among `endpoints` only.
    """

    abandoned: int = 0
    """Callers that had gone when their answer was ready: not answered."""
    in_flight: int = 0
    max_in_flight: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    endpoints: dict[str, Counts] = field(default_factory=dict)
    _seen: Counter[bytes] = field(default_factory=Counter)
    _paid: set[bytes] = field(default_factory=set)
    _answered: set[bytes] = field(default_factory=set)

    def begin(self) -> None:
        """Note a call that has come in over HTTP."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        """Count a call over HTTP as ended."""
        self.in_flight = max(0, self.in_flight - 1)

    def record_call(self, endpoint: str, paid: bool) -> None:
        """Count a call. `paid` calls ask the model and count in the totals too."""
        for counts in self._of(endpoint, paid):
            counts.calls += 1

    def record_attempt(self, endpoint: str, digest: bytes, paid: bool) -> int:
        """Note one more attempt of a request. Returns how many there were before."""
        if digest in self._answered:
            for counts in self._of(endpoint, paid):
                counts.duplicates += 1
        if paid:
            self._paid.add(digest)
        self._seen[digest] += 1
        return self._seen[digest] - 1

    def record_answer(
        self, endpoint: str, digest: bytes | None, paid: bool, prompt_tokens: int = 0, completion_tokens: int = 0
    ) -> None:
        """Note a whole answer; without a digest, one to a request that may come again."""
        if digest is not None:
            self._answered.add(digest)
        for counts in self._of(endpoint, paid):
            counts.answered += 1
            counts.prompt_tokens += prompt_tokens
            counts.completion_tokens += completion_tokens

    def record_refusal(self, endpoint: str, paid: bool, error: str) -> None:
        """Note an answer with an error status."""
        self.errors[error] += 1
        for counts in self._of(endpoint, paid):
            counts.refused += 1

    def reset(self) -> None:
        """Set all counters to zero, except for requests in flight."""
        fresh = Stats(in_flight=self.in_flight, max_in_flight=self.in_flight)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def report(self) -> dict[str, Any]:
        """The counters as ``GET /stats`` shows them."""
        return {
            **Counts.report(self),
            "distinct_requests": len(self._paid),
            "abandoned": self.abandoned,
            "errors": dict(sorted(self.errors.items())),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "endpoints": {name: counts.report() for name, counts in sorted(self.endpoints.items())},
        }

    def _of(self, endpoint: str, paid: bool) -> list[Counts]:
        counts = self.endpoints.setdefault(endpoint, Counts())
        return [self, counts] if paid else [counts]
