"""How hard a model is to think, where its provider asks for a number of tokens instead of a word."""

from __future__ import annotations

from typing import Any

from dspex.errors import UsageError

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}
"""Tokens for each word of `reasoning_effort`: those that DSPy uses."""

OFF = frozenset({"none", "off", "disable"})


def effort_of(asked: Any) -> str:
    """Return the word that `reasoning_effort` asks for; "none" for not at all.

    Raises:
        UsageError: there is no such word.
    """
    word = asked.get("effort") if isinstance(asked, dict) else asked
    if word in OFF:
        return "none"
    if word not in BUDGETS:
        raise UsageError(f"reasoning_effort={asked!r} is not one of: none, {', '.join(BUDGETS)}")
    return str(word)
