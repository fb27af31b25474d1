"""Times as the providers write them."""

from __future__ import annotations

from datetime import UTC, datetime

CREATED = 1735689600
"""2025-01-01: when every answer was made, so that an answer is a function of its request."""


def rfc3339(seconds: float) -> str:
    """A time of day, such as ``2025-01-01T00:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
