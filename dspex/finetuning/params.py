"""`train_kwargs`: the parameters of a training, sorted into what the API calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dspex.errors import UsageError

HYPERPARAMETERS = frozenset({"n_epochs", "batch_size", "learning_rate_multiplier"})
FIELDS = frozenset({"hyperparameters", "method", "suffix", "seed", "validation_file", "integrations", "metadata"})
PRICE = "usd_per_million_tokens"

_LONGEST_SUFFIX = 64


@dataclass(frozen=True, slots=True)
class TrainParams:
    """What a job is created with (`fields` of the API's request), and the price of training, if the user gave it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    usd_per_million_tokens: float | None = None

    def cost_usd(self, trained_tokens: int | None) -> float | None:
        """What the training cost. None without a price: genai-prices has none for training, and none is guessed."""
        if trained_tokens is None or self.usd_per_million_tokens is None:
            return None
        return trained_tokens * self.usd_per_million_tokens / 1e6


def train_params(train_kwargs: Mapping[str, Any] | None) -> TrainParams:
    """Sort `train_kwargs`: hyperparameters (``n_epochs``, ...), the request's own fields, and our price.

    Raises:
        UsageError: one is not known, so that it would have been ignored.
    """
    given = {name: value for name, value in (train_kwargs or {}).items() if value is not None}
    unknown = sorted(set(given) - HYPERPARAMETERS - FIELDS - {PRICE})
    if unknown:
        known = ", ".join(sorted(HYPERPARAMETERS | FIELDS | {PRICE}))
        raise UsageError(f"train_kwargs has {', '.join(unknown)}, which OpenAI's fine-tuning does not know: {known}.")
    named = given.pop("hyperparameters", {})
    if not isinstance(named, Mapping):
        raise UsageError(f"train_kwargs has hyperparameters={named!r}: a dictionary, such as {{'n_epochs': 3}}.")
    hyper = {**named, **{name: given.pop(name) for name in sorted(HYPERPARAMETERS & set(given))}}
    if hyper and "method" in given:
        raise UsageError("train_kwargs has both hyperparameters and a method: put them into the method.")
    suffix = given.get("suffix")
    if suffix is not None and not (isinstance(suffix, str) and 0 < len(suffix) <= _LONGEST_SUFFIX):
        raise UsageError(f"train_kwargs has suffix={suffix!r}: a text of up to {_LONGEST_SUFFIX} characters.")
    price = given.pop(PRICE, None)
    if price is not None and not (isinstance(price, int | float) and price >= 0):
        raise UsageError(f"train_kwargs has {PRICE}={price!r}: dollars, zero or more.")
    return TrainParams({**({"hyperparameters": hyper} if hyper else {}), **given}, price)
