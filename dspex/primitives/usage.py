"""Tokens used by model, as DSPy reports them: ``with track_usage() as tracker: ...; tracker.get_total_tokens()``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from dspex.settings import context, settings


class UsageTracker:
    """Sums the usage of every call that is not answered from the ledger.

    The client calls ``settings.usage_tracker.add_usage(model, usage)``. It keeps sums, not entries, and so stays small.
    """

    def __init__(self) -> None:
        self._totals: dict[str, dict[str, Any]] = {}

    def add_usage(self, lm: str, usage_entry: Mapping[str, Any]) -> None:
        if usage_entry:
            _add(self._totals.setdefault(lm, {}), usage_entry)

    def get_total_tokens(self) -> dict[str, dict[str, Any]]:
        """Totals by model name."""
        return {lm: _copied(total) for lm, total in self._totals.items()}


@contextmanager
def track_usage() -> Iterator[UsageTracker]:
    """Track the calls made inside the block, by whatever task or thread; an enclosing tracker gets them at the end."""
    tracker, parent = UsageTracker(), settings.usage_tracker
    with context(usage_tracker=tracker):
        try:
            yield tracker
        finally:
            if parent is not None:
                for lm, total in tracker.get_total_tokens().items():
                    parent.add_usage(lm, total)


def _add(total: dict[str, Any], entry: Mapping[str, Any]) -> None:
    for key, value in entry.items():
        if isinstance(value, BaseModel):
            value = value.model_dump()
        current = total.get(key)
        if isinstance(value, Mapping):
            if not isinstance(current, dict):
                current = total[key] = {}
            _add(current, value)
        elif _is_count(current) and _is_count(value):
            total[key] = current + value
        elif current is None and value is not None:
            total[key] = value


def _is_count(value: Any) -> bool:
    """Flags are no counts, although a bool is an int."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _copied(total: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in total.items()}
