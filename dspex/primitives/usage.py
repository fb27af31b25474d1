"""Tokens used by model, as DSPy reports them: ``with track_usage() as tracker: ...; tracker.get_total_tokens()``."""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from dspex.settings import context, settings

_MOST_ENTRIES = 1000
"""Entries kept one by one for a model; then they are added up, so that a tracker stays small."""

_adding_up = threading.Lock()


class UsageTracker:
    """Sums the usage of every call that is not answered from the ledger.

    The client calls ``settings.usage_tracker.add_usage(model, usage)``, from whatever thread. `usage_data` holds the
    entries by model: one a call, up to a thousand, which then become one.
    """

    def __init__(self) -> None:
        self.usage_data: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def add_usage(self, lm: str, usage_entry: Mapping[str, Any] | None) -> None:
        """Count the tokens of one answer.

        Args:
            lm: The name of the model.
            usage_entry: The ``usage`` of its answer; None or empty counts nothing.
        """
        if not usage_entry:
            return
        with _adding_up:
            entries = self.usage_data[lm]
            entries.append(_plain(usage_entry))
            if len(entries) > _MOST_ENTRIES:
                entries[:] = [_total(entries)]

    def get_total_tokens(self) -> dict[str, dict[str, Any]]:
        """Totals by model name. Counts are added, also in nested dicts; of all else the first value stands."""
        with _adding_up:
            return {lm: copy.deepcopy(_total(entries)) for lm, entries in self.usage_data.items()}


@contextmanager
def track_usage() -> Iterator[UsageTracker]:
    """Track the calls made inside the block, by whatever task or thread; an enclosing tracker gets them at the end."""
    tracker, parent = UsageTracker(), settings.usage_tracker
    with context(usage_tracker=tracker):
        try:
            yield tracker
        finally:
            if parent is not None:
                for lm, entries in tracker.usage_data.items():
                    for entry in entries:
                        parent.add_usage(lm, entry)


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry without pydantic models: litellm reports details in such."""
    return {key: value.model_dump() if isinstance(value, BaseModel) else value for key, value in entry.items()}


def _total(entries: list[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for entry in entries:
        total = _sum(total, entry)
    return total


def _sum(total: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    if not total or not entry:
        return dict(total or entry)
    result = dict(total)
    for key, value in entry.items():
        current = result.get(key)
        if isinstance(value, Mapping) and (current is None or isinstance(current, Mapping)):
            result[key] = _sum(current or {}, value)
        elif _is_count(current) and _is_count(value):
            result[key] = current + value
        elif current is None and value is not None:
            result[key] = value
    return result


def _is_count(value: Any) -> bool:
    """Flags are no counts, although a bool is an int."""
    return isinstance(value, int | float) and not isinstance(value, bool)
