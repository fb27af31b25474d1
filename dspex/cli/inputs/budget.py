"""The budget that a command line gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex.clients.cost.budget import Budget


def budget_of(usd: float | None, tokens: int | None, calls: int | None) -> Budget | None:
    """The budget that the options give; None if none of them was given.

    Args:
        usd: The most that the run may cost, in US dollars.
        tokens: The most tokens that it may use, prompts and answers together.
        calls: The most LM calls that it may pay for.
    """
    from dspex.clients.cost.budget import Budget

    return None if usd is None and tokens is None and calls is None else Budget(usd, tokens, calls)
