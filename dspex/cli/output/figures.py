"""Sizes and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
"""The units of sizes, in bytes."""


def size_text(size: int) -> str:
    """`size`, in bytes, in the unit that fits: ``1.5 GB``."""
    for unit in ("GB", "MB", "KB"):
        if size >= SIZES[unit]:
            return f"{size / SIZES[unit]:.1f} {unit}"
    return f"{size} bytes"


def time_text(seconds: float) -> str:
    """A time, in seconds since 1970, by ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
