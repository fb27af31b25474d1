"""What differs between providers around any request: keys, errors, headers. Each provider has one object of these."""

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
    """How one provider reads keys and writes errors and headers."""

    name: str

    def keys(self, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
        """The keys that a request brings: there is more than one place for them."""
        ...

    def status(self, refusal: RefusedError) -> int:
        """The HTTP status of a refusal."""
        ...

    def error(self, refusal: RefusedError) -> bytes:
        """The body of a refusal."""
        ...

    def headers(self, digest: bytes) -> dict[str, str]:
        """Of every answer; `digest` is of the request."""
        ...

    def limits(self, levels: Levels, now: float) -> dict[str, str]:
        """Headers that tell how full the limits are. `now` is the time of day in seconds."""
        ...


def bearer(headers: Mapping[str, str]) -> str:
    """The key in the ``Authorization`` header; "" if there is none."""
    return headers.get("Authorization", "").removeprefix("Bearer ")
