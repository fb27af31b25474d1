"""Batches in SQL. Processes may do any of this at the same time: the first that changes a row's status owns it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Text, and_, case, delete, exists, false, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.records.batch import Batch, BatchRequest, PendingRequest, PlannedBatch, Refused, RequestState, Status
from dspex.store.records.budget import BudgetExhausted, CostUpperBound, Payer
from dspex.store.records.claim import VOID_AFTER_S
from dspex.store.records.ledger import LedgerEntry
from dspex.store.sql.batch_tables import batches, requests, waits
from dspex.store.sql.budgets import BudgetSql
from dspex.store.sql.ledger import LedgerSql
from dspex.store.sql.listed import Dialect, bind_list, listed
from dspex.store.sql.schema import ledger

_r, _b, _w = requests.c, batches.c, waits.c
_STANDING = [_r[name] for name in RequestState.__slots__]
_BATCH = [_b[name] for name in Batch.__slots__]
_IN_PROGRESS = _b.status.in_(("intent", "open"))


def ask(connection: Connection, owner: str, asked: Sequence[BatchRequest]) -> dict[str, RequestState]:
    new: Any = _insert(connection)(requests)
    mine = _r.owner == new.excluded.owner
    # A request that waits, or was refused to another owner, is queued anew; one in a batch stays there.
    statement = new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "owner": new.excluded.owner,
            "target": new.excluded.target,
            "body": new.excluded.body,
            "payer": new.excluded.payer,
            "predictor": new.excluded.predictor,
            "most_tokens": new.excluded.most_tokens,
            "most_usd": new.excluded.most_usd,
            "status": "waiting",
            "attempts": case((mine, _r.attempts), else_=0),
        },
        where=or_(_r.status == "waiting", and_(_r.status == "refused", ~mine)),
    )
    rows: list[dict[str, Any]] = [
        {
            "key": one.key,
            "owner": owner,
            "target": one.target,
            "body": one.body,
            "payer": one.payer,
            "predictor": one.predictor,
            "status": "waiting",
            "batch": None,
            "attempts": 0,
            "most_tokens": one.most.tokens,
            "most_usd": one.most.usd,
        }
        for one in sorted(asked, key=lambda one: one.key)
    ]
    connection.execute(statement, rows)
    keys = {"keys": _bound(connection, [row["key"] for row in rows])}
    answered = _already_answered(connection, keys)
    found = standing(connection, [row["key"] for row in rows])
    elsewhere = sorted({one.batch for one in found.values() if one.batch is not None and one.owner != owner})
    if elsewhere:
        wait: Any = _insert(connection)(waits)
        connection.execute(wait.on_conflict_do_nothing(), [{"owner": owner, "batch": batch} for batch in elsewhere])
    return found | {key: RequestState(key, owner, "answered", None, 0, None, None) for key in answered}


def _already_answered(connection: Connection, keys: dict[str, Any]) -> list[str]:
    """Drop requests that the ledger has answered meanwhile; return their keys. Their answers are read from there."""
    found = connection.execute(select(ledger.c.key).where(ledger.c.key.in_(_keys(connection))), keys)
    answered = sorted(row[0] for row in found)
    if answered:
        drop_waiting = delete(requests).where(_r.key.in_(_keys(connection)), _r.status == "waiting")
        connection.execute(drop_waiting, {"keys": _bound(connection, answered)})
    return answered


def standing(connection: Connection, keys: Sequence[str]) -> dict[str, RequestState]:
    statement = select(*_STANDING).where(_r.key.in_(_keys(connection)))
    return {row.key: RequestState(*row) for row in connection.execute(statement, {"keys": _bound(connection, keys)})}


def first_target(connection: Connection, owner: str, attempts: int) -> str | None:
    return connection.execute(select(_r.target).where(_waits(owner, attempts)).order_by(_r.target).limit(1)).scalar()


def waiting(connection: Connection, owner: str, target: str, attempts: int, limit: int) -> list[PendingRequest]:
    statement = select(_r.key, func.length(_r.body)).where(_waits(owner, attempts), _r.target == target)
    return [PendingRequest(*row) for row in connection.execute(statement.order_by(_r.key).limit(limit))]


def _waits(owner: str, attempts: int) -> Any:
    return and_(_r.owner == owner, _r.status == "waiting", _r.attempts < attempts)


def plan(connection: Connection, id: str, owner: str, target: str, keys: Sequence[str], now: float) -> PlannedBatch:
    lacking = _lacking(connection, id, keys)
    afforded = [key for key in keys if key not in lacking]
    taken = connection.execute(
        update(requests)
        .where(_r.key.in_(_keys(connection)), _r.owner == owner, _r.target == target, _r.status == "waiting")
        .values(status="assigned", batch=id)
        .returning(_r.key),
        {"keys": _bound(connection, afforded)},
    ).scalars()
    left = sorted(set(afforded) - set(took := sorted(taken)))
    _ledger(connection).release(connection, _reservation_owner(id), left)
    if took:
        row = {"id": id, "owner": owner, "target": target, "status": "intent", "requests": len(took)}
        connection.execute(insert(batches).values(**row, created_at=now, done=0, answered=0, refused=0))
    return PlannedBatch(len(took), next(iter(lacking.values()), None))


def _lacking(connection: Connection, id: str, keys: Sequence[str]) -> dict[str, BudgetExhausted]:
    """Reserve what the requests cost at most. Returns those that their payers' budgets cannot cover."""
    statement = select(_r.key, _r.payer, _r.most_tokens, _r.most_usd)
    asking = connection.execute(statement.where(_r.key.in_(_keys(connection))), {"keys": _bound(connection, keys)})
    payers = {row.key: _payer(row) for row in asking if row.payer is not None}
    # Never `Held`: calls in progress are in other batches, which are polled anyhow.
    refused = BudgetSql(_dialect(connection), false()).reserve(connection, _reservation_owner(id), payers)
    return {key: no for key, no in refused.items() if isinstance(no, BudgetExhausted)}


def _payer(row: Row[Any, Any, Any, Any]) -> Payer:
    return Payer(row.payer, lambda: CostUpperBound(row.most_tokens, row.most_usd))


def _reservation_owner(batch: str) -> str:
    """The owner of the reservations in budgets that a batch makes."""
    return f"batch:{batch}"


def bodies(connection: Connection, id: str, after: str, limit: int) -> list[tuple[str, bytes]]:
    statement = select(_r.key, _r.body).where(_r.batch == id, _r.status == "assigned", _r.key > after)
    return [(key, body) for key, body in connection.execute(statement.order_by(_r.key).limit(limit))]


def get(connection: Connection, id: str) -> Batch | None:
    row = connection.execute(select(*_BATCH).where(_b.id == id)).one_or_none()
    return None if row is None else Batch(*row)


def in_progress(connection: Connection, owner: str) -> list[Batch]:
    awaited = select(_w.batch).where(_w.owner == owner)
    return _listed(connection, and_(_IN_PROGRESS, or_(_b.owner == owner, _b.id.in_(awaited))))


def of(connection: Connection, owner: str) -> list[Batch]:
    return _listed(connection, _b.owner == owner)


def known(connection: Connection, provider_ids: Sequence[str]) -> set[str]:
    statement = select(_b.provider_id).where(_b.provider_id.in_(_keys(connection)))
    return {row[0] for row in connection.execute(statement, {"keys": _bound(connection, provider_ids)})}


def sending(connection: Connection, id: str, unless_since: float, now: float) -> bool:
    free = or_(_b.sent_at.is_(None), _b.sent_at < unless_since)
    statement = update(batches).where(_b.id == id, _b.status == "intent", free).values(sent_at=now)
    return connection.execute(statement).rowcount == 1


def opened(connection: Connection, id: str, provider_id: str, now: float) -> bool:
    values = {"provider_id": provider_id, "status": "open", "opened_at": now}
    statement = update(batches).where(_b.id == id, _b.provider_id.is_(None), _b.status == "intent").values(**values)
    return connection.execute(statement).rowcount == 1


def settle(connection: Connection, id: str, entries: Sequence[LedgerEntry], refused: Sequence[Refused]) -> int:
    gone = delete(requests).where(_r.key.in_(_keys(connection)), _r.batch == id)
    payers: dict[str, Row[Any, Any, Any]] = {}
    if entries:
        keys = {"keys": _bound(connection, sorted(entry.key for entry in entries))}
        payers = {row.key: row for row in connection.execute(gone.returning(_r.key, _r.payer, _r.predictor), keys)}
        new = [
            replace(entry, run_id=payer.payer, predictor=payer.predictor)
            for entry in entries
            if (payer := payers.get(entry.key)) is not None
        ]
        if new:
            _ledger(connection).record(connection, new, _reservation_owner(id))
    marked = 0
    for one in sorted(refused, key=lambda one: one.key):
        statement = update(requests).where(_r.key == one.key, _r.batch == id)
        values = {"status": "refused", "batch": None, "error_status": one.status, "error": one.body}
        marked += connection.execute(statement.values(**values)).rowcount
    _ledger(connection).release(connection, _reservation_owner(id), [one.key for one in refused])
    counts = {"answered": _b.answered + len(payers), "refused": _b.refused + marked}
    connection.execute(update(batches).where(_b.id == id).values(**counts))
    return len(payers)


def end(connection: Connection, id: str, status: Status, error: str | None, counts: bool) -> int:
    ended = update(batches).where(_b.id == id, _IN_PROGRESS).values(status=status, error=error, done=_b.requests)
    if not connection.execute(ended).rowcount:
        return 0
    connection.execute(delete(waits).where(_w.batch == id))
    values = {"status": "waiting", "batch": None, "attempts": _r.attempts + int(counts)}
    left = update(requests).where(_r.batch == id, _r.status == "assigned").values(**values).returning(_r.key)
    again = sorted(connection.execute(left).scalars())
    _ledger(connection).release(connection, _reservation_owner(id), again)
    return len(again)


def leave(connection: Connection, owner: str) -> None:
    connection.execute(delete(requests).where(_r.owner == owner, _r.status.in_(("waiting", "refused"))))
    connection.execute(delete(waits).where(_w.owner == owner))


def others_wait(connection: Connection, id: str, owner: str) -> bool:
    return bool(connection.execute(select(exists().where(_w.batch == id, _w.owner != owner))).scalar())


def update_batch(connection: Connection, id: str, **values: Any) -> None:
    connection.execute(update(batches).where(_b.id == id).values(**values))


def _listed(connection: Connection, which: Any) -> list[Batch]:
    statement = select(*_BATCH).where(which).order_by(_b.created_at, _b.id)
    return [Batch(*row) for row in connection.execute(statement)]


def _ledger(connection: Connection) -> LedgerSql:
    return LedgerSql(_dialect(connection), VOID_AFTER_S)


def _dialect(connection: Connection) -> Dialect:
    return "sqlite" if connection.dialect.name == "sqlite" else "postgresql"


def _insert(connection: Connection) -> Any:
    return sqlite.insert if _dialect(connection) == "sqlite" else postgresql.insert


def _keys(connection: Connection) -> Any:
    return listed(_dialect(connection), "keys", Text)


def _bound(connection: Connection, values: Sequence[str]) -> Any:
    return bind_list(_dialect(connection), values)
