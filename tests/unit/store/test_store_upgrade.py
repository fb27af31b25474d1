"""A store that an older dspex made goes on, with all that it holds."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from entries import entry
from sqlalchemy import text

from dspex.errors import StoreError
from dspex.store import Bill, BillLine, Hit, Store
from dspex.store.sql.schema import VERSION, budgets, ledger, pruned, repeats, reservations

Another = Callable[[], Store]
KEPT = Path(__file__).parent / "kept"


@pytest.fixture
def old_store(tmp_path: Path) -> Store:
    """A store of version 1, as 0.1.0 made it (`kept/README.md`)."""
    file = tmp_path / "old.db"
    file.write_bytes(gzip.decompress((KEPT / "store-v1.db.gz").read_bytes()))
    return Store(file)


async def test_store_of_version_1_keeps_its_answers_its_bills_and_its_runs(old_store: Store) -> None:
    hit = await old_store.ledger.claim("key-3")
    assert isinstance(hit, Hit)
    assert (hit.entry.prompt_tokens, hit.entry.completion_tokens, hit.entry.cost_usd) == (103, 13, 0.004)
    assert (hit.entry.cached_tokens, hit.entry.predictor) == (0, None)
    bill = await old_store.ledger.bill("old-run")
    assert bill == Bill(6, 613, 69, 0.03, repeated=1)
    assert bill.unpriced == 1
    assert bill.by_model["openai/gpt-4o-mini"].calls == 5
    assert (await old_store.ledger.bill_total()) == Bill(8, 822, 98, 0.041, repeated=1)
    run = await old_store.runs.get("old-run")
    assert run is not None
    assert run.score == 50.0
    assert [each.index for each in await old_store.outcomes.done("old-run@x", "baseline", 0, 9)] == [0, 1]
    old_store.close()


async def test_upgraded_store_takes_what_is_new(old_store: Store) -> None:
    new = entry("new", run_id="old-run", cached_tokens=4, reasoning_tokens=3, predictor="qa", outcome="stop")
    await old_store.ledger.record(new)
    assert await old_store.ledger.lookup("new") == new
    line = (await old_store.ledger.bill("old-run")).by_predictor["qa"]
    assert line == BillLine("", "qa", 1, 0, 0, 10, 4, 0, 5, 3, 0.25, 0.5)
    assert (await old_store.budgets.set("old-run", usd=1.0)).used_calls == 7
    old_store.close()


def _back_to_version_1(store: Store) -> None:
    names = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "predictor", "outcome")
    statements = [
        "DROP INDEX dspex_ledger_costs",
        *(f"ALTER TABLE {ledger.name} DROP COLUMN {name}" for name in names),
        *(f"ALTER TABLE {repeats.name} DROP COLUMN {name}" for name in ("model", *names)),
        *(f"DROP TABLE {table.name}" for table in (pruned, budgets, reservations)),
        f"CREATE INDEX dspex_ledger_bill ON {ledger.name} (run_id, prompt_tokens, completion_tokens, cost_usd)",
        "UPDATE dspex_version SET version = 1",
    ]
    for statement in statements:
        store._database.transact(lambda connection, said=statement: connection.execute(text(said)))
    store.close()


async def test_version_1_is_upgraded_in_either_database(another: Another) -> None:
    old = another()
    await old.ledger.record(entry("a"))
    await old.ledger.record(entry("a", response=b"again"))
    _back_to_version_1(old)
    first, second = another(), another()
    assert await first.ledger.bill("run") == Bill(2, 20, 10, 0.5, repeated=1)
    assert list((await second.ledger.bill("run")).by_model) == ["openai/test"]
    await second.ledger.record(entry("b", predictor="qa"))
    assert (await first.ledger.bill("run")).by_predictor["qa"].calls == 1


async def test_store_of_a_later_dspex_is_refused(another: Another) -> None:
    later = another()
    await later.check()
    later._database.transact(lambda connection: connection.execute(text("UPDATE dspex_version SET version = 99")))
    later.close()
    with pytest.raises(StoreError, match=f"version 99, this dspex has {VERSION}"):
        await another().check()
