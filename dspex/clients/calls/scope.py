"""On whose behalf an LM call is made: the run, the step, the example; and what its calls came to.

A runner opens a scope around each example. The client adds every call to the current scope, and leaves there an
infrastructure failure even when the user's code swallows the exception, so that a storm never passes for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Usage:
    """What some LM calls used. `calls` were paid for; `calls_from_ledger` were answered from the ledger."""

    calls: int = 0
    calls_from_ledger: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, other: Usage) -> None:
        """Add the counts of `other` to these."""
        self.calls += other.calls
        self.calls_from_ledger += other.calls_from_ledger
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cost_usd += other.cost_usd


@dataclass(slots=True)
class CallScope:
    """Where in a run the calls under it belong.

    `path` names the step and the example (``"baseline/17"``); a call that must not be shared through the ledger
    (``cache=False``) is keyed by it and by its number within the scope, so that a retry finds its own answer again.
    `program` is what is run: a call is put down to that predictor of it which made it.
    """

    run_id: str | None = None
    path: str = ""
    usage: Usage = field(default_factory=Usage)
    failure: BaseException | None = None
    uncached_calls: int = 0
    program: Any = None

    def next_uncached_key(self) -> str:
        """Count a call that must not be shared through the ledger, and return its place in the run."""
        self.uncached_calls += 1
        return f"{self.run_id}/{self.path}#{self.uncached_calls}"


_current: ContextVar[CallScope | None] = ContextVar("dspex_call_scope", default=None)


def current_scope() -> CallScope | None:
    """Return the current scope; None outside a run."""
    return _current.get()


@contextmanager
def call_scope(scope: CallScope) -> Iterator[CallScope]:
    """Attribute the LM calls inside the block to `scope`."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)
