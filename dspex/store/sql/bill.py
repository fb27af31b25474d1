"""Adding up what calls came to."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select

from dspex.store.ledger import Bill
from dspex.store.sql.schema import ledger, repeats


def bill(connection: Connection, run_id: str | None) -> Bill:
    """The calls of a run, or all calls for None."""
    calls, prompt, completion, cost = _sums(connection, ledger, run_id)
    repeated, more_prompt, more_completion, more_cost = _sums(connection, repeats, run_id)
    return Bill(
        calls=calls + repeated,
        prompt_tokens=prompt + more_prompt,
        completion_tokens=completion + more_completion,
        cost_usd=round(cost + more_cost, 10),  # databases add in any order; the last digits are not to show it
        repeated=repeated,
    )


def _sums(connection: Connection, table: Table, run_id: str | None) -> tuple[int, int, int, float]:
    c = table.c
    statement = select(func.count(), func.sum(c.prompt_tokens), func.sum(c.completion_tokens), func.sum(c.cost_usd))
    statement = statement.select_from(table)
    if run_id is not None:
        statement = statement.where(c.run_id == run_id)
    calls, prompt, completion, cost = connection.execute(statement).one()
    return int(calls), int(prompt or 0), int(completion or 0), float(cost or 0.0)
