"""Adding up the cost of calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, select

from dspex.store.records.bill import FIGURES, Bill, BillLine
from dspex.store.sql.schema import ledger, pruned, repeats

_TOKENS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")


def bill(connection: Connection, run_id: str | None) -> Bill:
    """The calls of a run, or all calls for None."""
    found: dict[tuple[str, str], list[Any]] = {}
    for table, statement in (("ledger", of_calls(0)), ("repeats", of_repeats()), ("pruned", _of_pruned())):
        source = {"ledger": ledger, "repeats": repeats, "pruned": pruned}[table]
        where = statement if run_id is None else statement.where(source.c.run_id == run_id)
        for model, predictor, *figures in connection.execute(where):
            sums = found.setdefault((model or "", predictor or ""), [0] * len(FIGURES))
            sums[:] = [total + (figure or 0) for total, figure in zip(sums, figures, strict=True)]
    return Bill.of(_line(*key, sums) for key, sums in found.items())


def of_calls(repeated: int, table: Any = ledger) -> Select[Any]:
    """One row a model and predictor: their names, then the `FIGURES`."""
    c = table.c
    unpriced = func.sum(case((c.cost_usd.is_(None), 1), else_=0))
    counted: list[ColumnElement[Any]] = [func.count(), func.count() * literal(repeated), unpriced]
    tokens = [func.sum(c[name]) for name in _TOKENS]
    figures = [*counted, *tokens, func.sum(c.cost_usd), func.sum(c.latency_s)]
    return select(c.model, c.predictor, *figures).group_by(c.model, c.predictor)


def of_repeats() -> Select[Any]:
    return of_calls(1, repeats)


def _of_pruned() -> Select[Any]:
    c = pruned.c
    return select(c.model, c.predictor, *(func.sum(c[name]) for name in FIGURES)).group_by(c.model, c.predictor)


def _line(model: str, predictor: str, sums: list[Any]) -> BillLine:
    return BillLine(model, predictor or None, **dict(_typed(sums)))


def _typed(sums: list[Any]) -> Iterator[tuple[str, Any]]:
    for name, value in zip(FIGURES, sums, strict=True):
        yield name, round(float(value), 10) if name in ("cost_usd", "latency_s") else int(value)
