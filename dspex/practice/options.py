"""What the practice server is asked to do, checked when it is built."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from dspex.errors import UsageError


@dataclass(frozen=True, slots=True)
class PracticeOptions:
    """How to serve, and which faults to inject. All that is random follows from `seed` and the request.

    Raises:
        UsageError: for a value that cannot be; the message names it.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    seed: int = 0
    latency: float = 0.0
    """Seconds before every answer."""
    jitter: float = 0.0
    """Up to this many seconds more, drawn per request."""
    error_rate: float = 0.0
    """Share of attempts refused: half with 429, a quarter each with 500 and 503. A repeated request is drawn anew."""
    rpm: int | None = None
    """Requests a minute that are let through, as a token bucket of one second's worth; the rest get 429."""
    malformed_rate: float = 0.0
    """Share of requests answered with text that does not keep to the format asked for (always the same requests)."""
    cut_rate: float = 0.0
    """Share of attempts whose connection is dropped in the middle of the body."""
    chunk_chars: int = 24
    """Characters in a chunk of a streamed answer."""
    retry_after: float = 1.0
    """Seconds that an injected 429 asks the client to wait."""
    api_key: str | None = None
    """If given, calls without this bearer key get 401."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{field.name} must be a finite number, not {value}.")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port must be between 0 and 65535, not {self.port}.")
        for name in ("latency", "jitter", "retry_after"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is a number of seconds and cannot be negative, but is {getattr(self, name)}.")
        for name in ("error_rate", "malformed_rate", "cut_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is a share between 0 and 1, not {getattr(self, name)}.")
        if self.chunk_chars < 1:
            raise UsageError(f"chunk_chars must be at least 1, not {self.chunk_chars}.")
        if self.rpm is not None and self.rpm < 1:
            raise UsageError(f"rpm must be at least 1, not {self.rpm}.")
