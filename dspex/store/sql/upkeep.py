"""The ledger's upkeep in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.records.bill import FIGURES
from dspex.store.records.ledger import LedgerEntry
from dspex.store.records.upkeep import LedgerStats, ModelStats, RecordedEntry, Selection
from dspex.store.sql.schema import claims, ledger, pruned, repeats

_ENTRY = [ledger.c[name] for name in LedgerEntry.__slots__]
_BYTES = func.length(ledger.c.response)
_SUMMED = [name for name in FIGURES if name not in ("calls", "repeated", "unpriced")]


def stats(connection: Connection) -> LedgerStats:
    c = ledger.c
    figures = (func.count(), func.sum(_BYTES), func.sum(c.cost_usd), func.min(c.created_at), func.max(c.created_at))
    rows = connection.execute(select(c.model, *figures).group_by(c.model)).all()
    models = [
        ModelStats(name, int(count), int(size or 0), round(float(cost or 0), 10), float(oldest), float(newest))
        for name, count, size, cost, oldest, newest in rows
    ]
    return LedgerStats(
        entries=sum(each.entries for each in models),
        bytes=sum(each.bytes for each in models),
        runs=_number(connection, select(func.count(c.run_id.distinct()))),
        pruned=_number(connection, select(func.sum(pruned.c.calls))),
        under_way=_number(connection, select(func.count()).select_from(claims)),
        models=tuple(sorted(models, key=lambda each: (-each.bytes, each.model))),
    )


def measure(connection: Connection, selection: Selection) -> tuple[int, int]:
    count, size = connection.execute(select(func.count(), func.sum(_BYTES)).where(_where(selection))).one()
    return int(count), int(size or 0)


def prune(connection: Connection, selection: Selection, most: int) -> int:
    """Delete up to `most` entries; what they cost goes to `pruned` in the same transaction."""
    keys = select(ledger.c.key).where(_where(selection)).order_by(ledger.c.key).limit(most)
    chosen = connection.execute(keys).scalars().all()
    if not chosen:
        return 0
    sums: dict[tuple[str, str, str], dict[str, float]] = {}
    for table, repeated in ((ledger, 0), (repeats, 1)):
        c = table.c
        named = [c.run_id, c.model, c.predictor, *(c[name] for name in _SUMMED)]
        for row in connection.execute(delete(table).where(c.key.in_(chosen)).returning(*named)):
            _add(sums, row._mapping, repeated)
    if sums:
        upsert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        new = upsert(pruned)
        added = {name: pruned.c[name] + new.excluded[name] for name in FIGURES}
        statement = new.on_conflict_do_update(index_elements=["run_id", "model", "predictor"], set_=added)
        for (run_id, model, predictor), figures in sorted(sums.items()):
            connection.execute(statement, {"run_id": run_id, "model": model, "predictor": predictor, **figures})
    return len(chosen)


def entries(connection: Connection, selection: Selection, after: str, most: int) -> list[RecordedEntry]:
    statement = select(*_ENTRY, ledger.c.created_at).where(_where(selection), ledger.c.key > after)
    rows = connection.execute(statement.order_by(ledger.c.key).limit(most))
    return [RecordedEntry(LedgerEntry(*row[:-1]), row[-1]) for row in rows]


def runs_since(connection: Connection, since: float) -> set[str]:
    c = ledger.c
    statement = select(c.run_id).where(c.run_id.is_not(None), c.created_at >= since).distinct()
    return set(connection.execute(statement).scalars())


def age_of_size(connection: Connection, most: int) -> float | None:
    """The time before which an entry is too old for all that are younger to fit in `most` bytes; None if all fit."""
    c = ledger.c
    younger_and_it = func.sum(_BYTES).over(order_by=(c.created_at.desc(), c.key))
    running = select(c.created_at.label("at"), younger_and_it.label("total")).subquery()
    too_much = select(func.max(running.c.at)).where(running.c.total > most)
    newest_too_much: float | None = connection.execute(too_much).scalar()
    if newest_too_much is None:
        return None
    following = select(func.min(c.created_at)).where(c.created_at > newest_too_much)
    first_to_stay: float | None = connection.execute(following).scalar()
    return newest_too_much + 1.0 if first_to_stay is None else first_to_stay


def _where(selection: Selection) -> ColumnElement[bool]:
    c = ledger.c
    conditions: list[ColumnElement[bool]] = [true()]
    if selection.before is not None:
        conditions.append(c.created_at < selection.before)
    if selection.run_id is not None:
        conditions.append(c.run_id == selection.run_id)
    if selection.model is not None:
        conditions.append(c.model == selection.model)
    if selection.spared:
        conditions.append(or_(c.run_id.is_(None), c.run_id.not_in(sorted(selection.spared))))
    return and_(*conditions)


def _add(sums: dict[tuple[str, str, str], dict[str, float]], row: Any, repeated: int) -> None:
    key = (row["run_id"] or "", row["model"] or "", row["predictor"] or "")
    figures = sums.setdefault(key, dict.fromkeys(FIGURES, 0))
    figures["calls"] += 1
    figures["repeated"] += repeated
    figures["unpriced"] += row["cost_usd"] is None
    for name in _SUMMED:
        figures[name] += row[name] or 0


def _number(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.execute(statement).scalar() or 0)
