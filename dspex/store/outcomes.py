"""The results of examples in the steps of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.store.jsonable import encode
from dspex.store.records.outcome import Failure, Outcome

if TYPE_CHECKING:
    from dspex.store.database import Database


class Outcomes:
    """Outcomes by run, path (the step, such as ``"baseline"`` or ``"trial/3"``) and index of the example.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, run_id: str, path: str, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes, over earlier ones of the same examples.

        Args:
            run_id: The run.
            path: The step.
            outcomes: One for each example; of several for one example the last is kept.
        """
        if not outcomes:
            return
        rows = [_row(run_id, path, outcome) for outcome in {o.index: o for o in outcomes}.values()]

        def write() -> None:
            from dspex.store.sql.outcomes import upsert

            self._database.transact(lambda connection: upsert(connection, rows))

        await self._database.run(write)

    async def done(self, run_id: str, path: str, start: int, stop: int) -> list[Outcome]:
        """Return the outcomes of a range of examples, by index; examples without one are left out.

        Args:
            run_id: The run.
            path: The step.
            start: The first index.
            stop: The index after the last.
        """

        def read() -> list[Outcome]:
            from dspex.store.sql.outcomes import between

            return self._database.query(lambda connection: between(connection, run_id, path, start, stop))

        return await self._database.run(read)

    async def at(self, run_id: str, path: str, indices: Sequence[int]) -> list[Outcome]:
        """Return the outcomes of the examples at `indices`, by index; examples without one are left out.

        Args:
            run_id: The run.
            path: The step.
            indices: Indices of examples, in any order.
        """

        def read() -> list[Outcome]:
            from dspex.store.sql.outcomes import at

            return self._database.query(lambda connection: at(connection, run_id, path, sorted(set(indices))))

        return await self._database.run(read)

    async def failures(self, run_id: str, limit: int) -> list[Failure]:
        """Return examples on which the program itself failed, by path and index.

        Args:
            run_id: The run.
            limit: At most so many.
        """

        def read() -> list[Failure]:
            from dspex.store.sql.outcomes import failures

            return self._database.query(lambda connection: failures(connection, run_id, limit))

        return await self._database.run(read)


def _row(run_id: str, path: str, outcome: Outcome) -> dict[str, Any]:
    where = f"{path}/{outcome.index}"
    return {
        "run_id": run_id,
        "path": path,
        "idx": outcome.index,
        "score": None if outcome.score is None else float(outcome.score),
        "error": None if outcome.error is None else storable_text(outcome.error),
        "passed": outcome.passed,
        "demos": None if outcome.demos is None else encode(outcome.demos, f"{where} demos"),
        "prediction": None if outcome.prediction is None else encode(outcome.prediction, f"{where} prediction"),
        "lm_calls": outcome.lm_calls,
        "lm_calls_from_ledger": outcome.lm_calls_from_ledger,
        "attempts": outcome.attempts,
        "errors": encode([storable_text(error) for error in outcome.errors], f"{where} errors"),
    }


def storable_text(text: str) -> str:
    """Replace what a database's text cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
