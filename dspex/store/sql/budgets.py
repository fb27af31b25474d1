"""Budgets in SQL. Reservations end in the transactions that release and record calls.

A transaction that needs claims and budgets takes the claims first, so that no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dspex.store.records.budget import PICO, BudgetExhausted, CostUpperBound, Payer, Spending, pico
from dspex.store.records.ledger import Held, LedgerEntry
from dspex.store.sql.bill import bill
from dspex.store.sql.listed import Dialect, bind_list, listed
from dspex.store.sql.schema import budgets, owners, reservations

_LIMITS = [budgets.c[name] for name in ("usd", "tokens", "calls")]
_USED = [budgets.c[name] for name in ("used_pico", "used_tokens", "used_calls")]


class Amount(NamedTuple):
    """The cost of calls, to be added to what is used."""

    pico: int
    tokens: int
    calls: int

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        return Amount(*(mine + sign * its for mine, its in zip(self, other, strict=True)))


_NOTHING = Amount(0, 0, 0)


def put(connection: Connection, run_id: str, limits: Mapping[str, Any]) -> Spending:
    """Set `limits`; a run's first budget begins with what it has paid already."""
    upsert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    paid = bill(connection, run_id)
    used = {
        "used_pico": pico(paid.cost_usd),
        "used_tokens": paid.prompt_tokens + paid.completion_tokens,
        "used_calls": paid.calls,
    }
    new = upsert(budgets).values(run_id=run_id, **limits, **used)
    connection.execute(new.on_conflict_do_update(index_elements=["run_id"], set_=limits or {"run_id": run_id}))
    found = get(connection, run_id)
    assert found is not None
    return found


def get(connection: Connection, run_id: str) -> Spending | None:
    row = connection.execute(select(*_LIMITS, *_USED).where(budgets.c.run_id == run_id)).one_or_none()
    return None if row is None else _spending(row)


def _spending(row: Any) -> Spending:
    usd, tokens, calls, used_pico, used_tokens, used_calls = row
    return Spending(usd, tokens, calls, used_pico / PICO, used_tokens, used_calls)


class BudgetSql:
    """The statements for one dialect, built once. `alive` says of a row of `owners` that it is not void."""

    def __init__(self, dialect: Dialect, alive: ColumnElement[bool]) -> None:
        self._dialect: Dialect = dialect
        keys = listed(dialect, "keys")
        runs = select(budgets.c.run_id, *_LIMITS, *_USED).where(budgets.c.run_id.in_(listed(dialect, "runs")))
        self._limited = select(budgets.c.run_id).where(budgets.c.run_id.in_(listed(dialect, "runs")))
        self._lock = runs.order_by(budgets.c.run_id)
        if dialect == "postgresql":
            self._lock = self._lock.with_for_update()
        self._held = select(reservations.c.key, reservations.c.owner, reservations.c.run_id, *_reserved()).where(
            reservations.c.key.in_(keys)
        )
        self._drop = delete(reservations).where(reservations.c.key.in_(keys), reservations.c.owner == bindparam("me"))
        self._estimate = (
            update(reservations)
            .where(reservations.c.key == bindparam("lost"), reservations.c.owner == bindparam("dead"))
            .values(pico=bindparam("as_pico"), tokens=bindparam("as_tokens"))
        )
        self._use = (
            update(budgets)
            .where(budgets.c.run_id == bindparam("run"))
            .values(
                used_pico=budgets.c.used_pico + bindparam("more_pico"),
                used_tokens=budgets.c.used_tokens + bindparam("more_tokens"),
                used_calls=budgets.c.used_calls + bindparam("more_calls"),
            )
        )
        self._in_progress = (
            select(reservations.c.key)
            .join(owners, and_(owners.c.id == reservations.c.owner, alive))
            .where(reservations.c.run_id == bindparam("run"))
            .limit(1)
        )

    def reserve(
        self, connection: Connection, me: str, payers: Mapping[str, Payer]
    ) -> dict[str, Held | BudgetExhausted]:
        """Reserve the upper bounds of calls in their budgets. Returns the refusals, by key."""
        left = self._locked(connection, {payer.run_id for payer in payers.values()})
        asking = {key: payer for key, payer in payers.items() if payer.run_id in left}
        if not asking:
            return {}
        mine = {row.key for row in self._rows(connection, sorted(asking)) if row.owner == me}
        lacking: dict[str, CostUpperBound] = {}
        taken: dict[str, Amount] = {}
        rows = []
        for key in sorted(asking.keys() - mine):
            payer = asking[key]
            most = payer.most()
            if left[payer.run_id].lacking(most):
                lacking[key] = most
                continue
            amount = Amount(pico(most.usd or 0.0), most.tokens, 1)
            taken[payer.run_id] = taken.get(payer.run_id, _NOTHING).plus(amount)
            left[payer.run_id] = _used_up(left[payer.run_id], amount)
            rows.append({"key": key, "owner": me, "run_id": payer.run_id, "pico": amount.pico, "tokens": amount.tokens})
        if rows:
            connection.execute(insert(reservations), rows)
        self._add(connection, taken)
        return self._refusals(connection, lacking, asking, left)

    def give_back(self, connection: Connection, me: str, keys: Sequence[str]) -> None:
        """Cancel the reservations of calls of `me` that were not made, or failed."""
        returned: dict[str, Amount] = {}
        for row in self._rows(connection, keys):
            if row.owner == me:
                amount = Amount(row.pico, row.tokens, 1)
                returned[row.run_id] = returned.get(row.run_id, _NOTHING).plus(amount, -1)
        if returned:
            connection.execute(self._drop, {"keys": bind_list(self._dialect, keys), "me": me})
            self._add(connection, returned)

    def limited(self, connection: Connection, runs: Collection[str]) -> Collection[str]:
        """Those of `runs` that have a budget."""
        if not runs:
            return ()
        return set(connection.execute(self._limited, {"runs": bind_list(self._dialect, sorted(runs))}).scalars())

    def settle(self, connection: Connection, me: str, paid: Sequence[LedgerEntry], runs: Collection[str]) -> None:
        """Replace the reservations of calls of these `runs` by what the calls really cost."""
        used: dict[str, Amount] = {}
        self._locked(connection, runs)  # before any row of theirs: the order that `reserve` keeps too
        keys = [entry.key for entry in paid if entry.run_id in runs]
        held = self._rows(connection, keys)
        mine = {row.key: row for row in held if row.owner == me}
        if mine:
            connection.execute(self._drop, {"keys": bind_list(self._dialect, keys), "me": me})
        actual: dict[str, Amount] = {}
        for entry in paid:
            if entry.run_id is None or entry.run_id not in runs:
                continue
            row = mine.get(entry.key)
            amount = actual[entry.key] = _came_to(entry, row)
            more = amount if row is None else amount.plus(Amount(row.pico, row.tokens, 1), -1)
            used[entry.run_id] = used.get(entry.run_id, _NOTHING).plus(more)
        for row in held:
            if row.owner != me:
                # Its process died during the call. Its cost is not known, but this one's is a good estimate.
                better = actual[row.key]
                more = better.plus(Amount(row.pico, row.tokens, 1), -1)
                used[row.run_id] = used.get(row.run_id, _NOTHING).plus(more)
                connection.execute(
                    self._estimate,
                    {"lost": row.key, "dead": row.owner, "as_pico": better.pico, "as_tokens": better.tokens},
                )
        self._add(connection, used)

    def _locked(self, connection: Connection, runs: Collection[str]) -> dict[str, Spending]:
        """The budgets of those `runs` that have one; no other transaction changes them before this one ends."""
        if not runs:
            return {}
        found = connection.execute(self._lock, {"runs": bind_list(self._dialect, sorted(runs))})
        return {row[0]: _spending(row[1:]) for row in found}

    def _rows(self, connection: Connection, keys: Sequence[str]) -> Sequence[Any]:
        return connection.execute(self._held, {"keys": bind_list(self._dialect, keys)}).all() if keys else ()

    def _add(self, connection: Connection, used: Mapping[str, Amount]) -> None:
        rows = [
            {"run": run, "more_pico": more.pico, "more_tokens": more.tokens, "more_calls": more.calls}
            for run, more in sorted(used.items())
            if more != _NOTHING
        ]
        if rows:
            connection.execute(self._use, rows)

    def _refusals(
        self,
        connection: Connection,
        lacking: Mapping[str, CostUpperBound],
        payers: Mapping[str, Payer],
        left: Mapping[str, Spending],
    ) -> dict[str, Held | BudgetExhausted]:
        """`Held` while other calls are in progress, since they may cost less than their reservations; else the end."""
        waits = {
            run: connection.execute(self._in_progress, {"run": run}).first() is not None
            for run in sorted({payers[key].run_id for key in lacking})
        }
        refusals: dict[str, Held | BudgetExhausted] = {}
        for key, most in lacking.items():
            run = payers[key].run_id
            unpriced = most.usd is None and left[run].usd is not None  # waiting does not help
            refusals[key] = Held() if waits[run] and not unpriced else BudgetExhausted(run, left[run], most)
        return refusals


def _reserved() -> list[Any]:
    return [reservations.c.pico, reservations.c.tokens]


def _used_up(spending: Spending, amount: Amount) -> Spending:
    return Spending(
        spending.usd,
        spending.tokens,
        spending.calls,
        (pico(spending.used_usd) + amount.pico) / PICO,
        spending.used_tokens + amount.tokens,
        spending.used_calls + amount.calls,
    )


def _came_to(entry: LedgerEntry, reserved: Any) -> Amount:
    """The cost of a call; its reservation, where the answer does not say."""
    tokens = entry.prompt_tokens + entry.completion_tokens
    if reserved is None:
        return Amount(pico(entry.cost_usd or 0.0), tokens, 1)
    usd = reserved.pico if entry.cost_usd is None else pico(entry.cost_usd)
    return Amount(usd, tokens or reserved.tokens, 1)
