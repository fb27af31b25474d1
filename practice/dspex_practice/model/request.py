"""A request for an answer, in no provider's format: what all of them can say, read from what each of them says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.tools import Toolbox


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What to ask the learner, and how to send its answer."""

    model: str
    question: Question
    digest: bytes
    """Of the whole request, whatever the order of its keys."""
    prompt_tokens: int
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    stream: bool = False
    tools: Toolbox = field(default=Toolbox())
    thinks: bool = False
    """Whether thinking is part of the answer."""
    logprobs: int | None = None
    """How many tokens to list for each place; None for no scores at all."""


def reasons(model: str) -> bool:
    """Whether a model of this name thinks before it answers."""
    return "reason" in model.lower()
