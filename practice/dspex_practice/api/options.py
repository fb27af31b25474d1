"""How to serve the practice model. Options are checked when they are built."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

_SECONDS = ("latency", "jitter", "retry_after", "drip_seconds", "batch_seconds", "tuning_seconds")
_RATES = ("error_rate", "malformed_rate")
_FAULTS = ("cut_rate", "empty_rate", "truncated_rate", "wrong_type_rate", "drip_rate", "endless_rate")
_LEAST_ONE = ("chunk_chars", "rpm", "tpm", "context", "cache_min_tokens")


class OptionError(ValueError):
    """An option has an invalid value, or the address cannot be used. The message says what to change."""


@dataclass(frozen=True, slots=True)
class PracticeOptions:
    """How to serve, and which faults to inject. All that is random follows from `seed` and the request.

    Raises:
        OptionError: if a value is invalid; the message names it.
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
    """Share of attempts refused: half with 429, a quarter each with 500 and 503 (Anthropic's format: 529).

    A repeated request is drawn anew. Of the lines of a batch as many fail, with a server error.
    """
    rpm: int | None = None
    """Requests a minute that are let through, as a token bucket of one second's worth; the rest get 429."""
    tpm: int | None = None
    """Tokens a minute, prompts and answers, as another bucket."""
    malformed_rate: float = 0.0
    """Share of requests answered with text that does not keep to the format asked for (always the same requests)."""
    cut_rate: float = 0.0
    """Share of attempts whose connection is dropped in the middle of the body."""
    empty_rate: float = 0.0
    """Share of attempts answered with status 200 and no body."""
    truncated_rate: float = 0.0
    """Share of attempts answered with half the body, as if it were the whole."""
    wrong_type_rate: float = 0.0
    """Share of attempts answered with status 200 and a page of HTML."""
    drip_rate: float = 0.0
    """Share of attempts whose body comes a byte at a time."""
    drip_seconds: float = 0.1
    """Between the bytes of such a body."""
    endless_rate: float = 0.0
    """Share of attempts whose body never ends."""
    chunk_chars: int = 24
    """Characters in a chunk of a streamed answer."""
    retry_after: float = 1.0
    """Seconds that an injected 429 asks the client to wait."""
    api_key: str | None = None
    """If given, calls without this key are refused: 401, in Gemini's format 400 and 403, as there."""
    models: tuple[str, ...] = ()
    """The only names of models that are known (besides fine-tuned ones); the rest get 404. Empty for any name."""
    context: int | None = None
    """Tokens that a prompt may have; longer ones get 400."""
    cache_min_tokens: int = 1024
    """The shortest prompt prefix that Anthropic's ``cache_control`` keeps."""
    batch_seconds: float = 0.0
    """How long a batch takes, its lines evenly spread."""
    tuning_seconds: float = 0.0
    """How long a fine-tuning job takes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise OptionError(f"{field.name} must be a finite number, not {value}.")
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port must be between 0 and 65535, not {self.port}.")
        for name in _SECONDS:
            if getattr(self, name) < 0:
                raise OptionError(
                    f"{name} is a number of seconds and cannot be negative, but is {getattr(self, name)}."
                )
        for name in _RATES + _FAULTS:
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is a share between 0 and 1, not {getattr(self, name)}.")
        if sum(getattr(self, name) for name in _FAULTS) > 1:
            raise OptionError(
                f"{', '.join(_FAULTS)} are shares of the same attempts and cannot be more than 1 together."
            )
        for name in _LEAST_ONE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"{name} must be at least 1, not {value}.")
