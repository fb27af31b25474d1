"""What providers say differently around any request: keys, errors, headers. One object a provider: see `*_dialect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dspex_practice.model.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Level:
    """How full one limit is."""

    limit: int
    """A minute."""
    remaining: int
    reset: float
    """Seconds until it is full again."""


@dataclass(frozen=True, slots=True)
class Levels:
    """How full the limits are; None where there is none."""

    requests: Level | None = None
    tokens: Level | None = None


class FormatDialect(Protocol):
    """One provider's manners."""

    name: str

    def keys(self, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
        """The keys that a request brings: there is more than one place for them."""
        ...

    def status(self, refusal: RefusedError) -> int: ...

    def error(self, refusal: RefusedError) -> bytes: ...

    def headers(self, digest: bytes) -> dict[str, str]:
        """Of every answer; `digest` is of the request."""
        ...

    def limits(self, levels: Levels, now: float) -> dict[str, str]:
        """Headers that tell how full the limits are. `now` is the time of day in seconds."""
        ...


def bearer(headers: Mapping[str, str]) -> str:
    return headers.get("Authorization", "").removeprefix("Bearer ")
