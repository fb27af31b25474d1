"""The upkeep of the ledger: what is thrown away is what was named, and bills outlive it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from entries import entry
from sqlalchemy import update

from dspex.store import Hit, Selection, Store, Won
from dspex.store.sql.schema import ledger


async def record(store: Store, key: str, at: float = 0.0, **changes: Any) -> None:
    """An entry that was recorded at the Unix time `at`."""
    await store.ledger.record(entry(key, **changes))
    aged = update(ledger).where(ledger.c.key == key).values(created_at=at)
    store._database.transact(lambda connection: connection.execute(aged))


ALL = Selection()


async def keys(store: Store, selection: Selection = ALL) -> list[str]:
    return [kept.entry.key async for kept in store.upkeep.entries(selection)]


@pytest.fixture
async def filled(store: Store) -> Store:
    await record(store, "a", 100.0, response=b"1" * 10, run_id="old", predictor="qa", cached_tokens=3)
    await record(store, "b", 200.0, response=b"2" * 20, run_id="old", cost_usd=None)
    await record(store, "c", 300.0, response=b"3" * 30, run_id="new", model="openai/other")
    await record(store, "d", 400.0, response=b"4" * 40, run_id=None)
    return store


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        (Selection(), "abcd"),
        (Selection(before=300.0), "ab"),
        (Selection(run_id="old"), "ab"),
        (Selection(model="openai/test"), "abd"),
        (Selection(model="openai/test", before=200.0), "a"),
        (Selection(spared={"old"}), "cd"),
        (Selection(before=1000.0, spared={"old", "new"}), "d"),
        (Selection(max_bytes=1000), ""),
        (Selection(max_bytes=100), ""),
        (Selection(max_bytes=99), "a"),
        (Selection(max_bytes=70), "ab"),
        (Selection(max_bytes=69), "abc"),
        (Selection(max_bytes=0), "abcd"),
        (Selection(max_bytes=70, before=150.0), "a"),
        (Selection(max_bytes=69, spared={"new"}), "ab"),
        (Selection(run_id="none"), ""),
    ],
)
async def test_selection(filled: Store, selection: Selection, selected: str) -> None:
    assert await keys(filled, selection) == list(selected)
    count, size = await filled.upkeep.measure(selection)
    assert (count, size) == (len(selected), sum("_abcd".index(key) * 10 for key in selected))


async def test_pruned_answers_are_gone_and_bills_are_as_before(filled: Store) -> None:
    await filled.ledger.record(entry("a", response=b"paid again", run_id="new"))
    before = {run: await filled.ledger.bill(run) for run in ("old", "new")}
    total = await filled.ledger.bill_total()
    assert await filled.upkeep.prune(Selection(before=350.0)) == 3
    assert await keys(filled) == ["d"]
    for run, bill in before.items():
        assert dataclasses.asdict(await filled.ledger.bill(run)) == dataclasses.asdict(bill)
    assert await filled.ledger.bill_total() == total
    assert (await filled.upkeep.stats()).pruned == 4


async def test_pruned_twice_adds_up(filled: Store) -> None:
    bill = await filled.ledger.bill("old")
    await filled.upkeep.prune(Selection(before=150.0))
    await filled.upkeep.prune(Selection(before=250.0))
    assert await filled.ledger.bill("old") == bill
    assert (await filled.ledger.bill("old")).by_predictor["qa"].cached_tokens == 3


async def test_pruned_call_can_be_made_and_paid_anew(store: Store) -> None:
    other = Store(store.url)
    await record(store, "a")
    await store.upkeep.prune(Selection(run_id="run"))
    assert await other.ledger.claim("a") == Won()
    await other.ledger.record(entry("a", response=b"new"))
    assert await other.ledger.claim("a") == Hit(entry("a", response=b"new"))
    assert (await other.ledger.bill("run")).calls == 2
    other.close()


async def test_budget_set_after_pruning_counts_what_was_paid(filled: Store) -> None:
    await filled.upkeep.prune(Selection(run_id="old"))
    assert (await filled.budgets.set("old", usd=9.0)).used_calls == 2


async def test_many_entries_are_read_and_pruned_in_batches(store: Store) -> None:
    names = [f"{number:04d}" for number in range(1203)]
    for name in names:
        await store.ledger.record(entry(name))
    assert await keys(store) == names
    assert await store.upkeep.prune(Selection(run_id="run")) == len(names)
    assert (await store.upkeep.stats()).entries == 0


async def test_stats(filled: Store) -> None:
    await filled.ledger.claim("under way")
    found = await filled.upkeep.stats()
    assert (found.entries, found.bytes, found.runs, found.pruned, found.under_way) == (4, 100, 2, 0, 1)
    first, second = found.models
    assert (first.model, first.entries, first.bytes, first.cost_usd) == ("openai/test", 3, 70, 0.5)
    assert (first.oldest, first.newest) == (100.0, 400.0)
    assert second.model == "openai/other"


async def test_runs_that_paid_lately(filled: Store) -> None:
    assert await filled.upkeep.runs_since(250.0) == {"new"}
    assert await filled.upkeep.runs_since(0.0) == {"new", "old"}


async def test_compacting_keeps_what_there_is(filled: Store) -> None:
    await filled.upkeep.prune(Selection(run_id="old"))
    await filled.upkeep.compact()
    assert await keys(filled) == ["c", "d"]


async def test_empty_ledger(store: Store) -> None:
    assert await store.upkeep.prune(Selection(before=1e12)) == 0
    assert await store.upkeep.measure(Selection(max_bytes=0)) == (0, 0)
    assert (await store.upkeep.stats()).models == ()
