"""The cost of LM calls, in all and by model and predictor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class BillLine:
    """The calls of one predictor to one model.

    Attributes:
        model: The model's name.
        predictor: Its path in the program; ``other/...`` for one outside the program, such as a judge in the metric;
            None for calls that no predictor made.
        calls: Calls that were paid for.
        repeated: Calls paid for although the ledger had received their answer from elsewhere meanwhile.
        unpriced: Calls without a known price, which are not in `cost_usd`.
        prompt_tokens: All tokens sent, those read from and written to the provider's cache included.
        cached_tokens: Tokens read from the provider's cache.
        cache_write_tokens: Tokens written to it.
        completion_tokens: All tokens received, `reasoning_tokens` included.
        reasoning_tokens: Tokens of reasoning that is not part of the answer.
        cost_usd: US dollars.
        latency_s: Seconds that all calls took, added up.
    """

    model: str
    predictor: str | None = None
    calls: int = 0
    repeated: int = 0
    unpriced: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0


FIGURES = tuple(each.name for each in fields(BillLine))[2:]
"""The attributes of a line that can be added up."""


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of a run's calls. The figures are those of `BillLine`, added up over the `lines`.

    `calls_from_ledger` were answered by earlier calls and cost nothing. Runners count them, not the store.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    repeated: int = 0
    unpriced: int = field(default=0, compare=False)
    cached_tokens: int = field(default=0, compare=False)
    cache_write_tokens: int = field(default=0, compare=False)
    reasoning_tokens: int = field(default=0, compare=False)
    latency_s: float = field(default=0.0, compare=False)
    calls_from_ledger: int = field(default=0, compare=False)
    lines: tuple[BillLine, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, lines: Iterable[BillLine]) -> Bill:
        """Add the lines up, and sort them: the most expensive first."""
        ordered = sorted(lines, key=lambda line: (-line.cost_usd, -line.calls, line.model, line.predictor or ""))
        return cls(**_sums(ordered), lines=tuple(ordered))

    @property
    def by_model(self) -> dict[str, BillLine]:
        """One line for each model; its `predictor` is None."""
        return self._by(lambda line: line.model, lambda model: BillLine(model))

    @property
    def by_predictor(self) -> dict[str | None, BillLine]:
        """One line for each predictor; its `model` is empty."""
        return self._by(lambda line: line.predictor, lambda predictor: BillLine("", predictor))

    def _by(self, key: Callable[[BillLine], Any], empty: Callable[[Any], BillLine]) -> dict[Any, BillLine]:
        groups: dict[Any, list[BillLine]] = {}
        for line in self.lines:
            groups.setdefault(key(line), []).append(line)
        return {name: _added(empty(name), group) for name, group in groups.items()}


def _added(head: BillLine, lines: Iterable[BillLine]) -> BillLine:
    return BillLine(head.model, head.predictor, **_sums(list(lines)))


def _sums(lines: list[BillLine]) -> dict[str, Any]:
    sums: dict[str, Any] = {name: sum(getattr(line, name) for line in lines) for name in FIGURES}
    # Databases add in any order; the last digits are not to show it.
    return {**sums, "cost_usd": round(float(sums["cost_usd"]), 10), "latency_s": round(float(sums["latency_s"]), 6)}
