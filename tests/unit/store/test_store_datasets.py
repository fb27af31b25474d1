from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update
from support.waiting import until

from dspex.errors import NotInStoreError, UsageError
from dspex.store import Store
from dspex.store.dataset_block import MAX_BYTES, MAX_ROWS
from dspex.store.sql.schema import blocks, datasets


def rows_of(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"text": f"row {i} é", "nested": {"b": i, "a": [None, True, 0.5]}} for i in range(start, start + count)]


def count_of(store: Store, table: Table) -> int:
    return store._database.query(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


async def test_rows_come_back_as_they_were_put(store: Store) -> None:
    rows = rows_of(3 * MAX_ROWS + 7)
    ref = await store.datasets.put(rows, ["text"])
    assert (ref.rows, ref.inputs) == (len(rows), ["text"])
    assert await store.datasets.info(ref.sha) == ref
    assert await store.datasets.rows(ref.sha) == rows


@pytest.mark.parametrize("start", [0, 1, MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, 2 * MAX_ROWS + 3])
@pytest.mark.parametrize("length", [0, 1, 64, MAX_ROWS + 1, 10_000])
async def test_any_slice(tmp_path: Any, start: int, length: int) -> None:
    store = Store(tmp_path / "store.db")
    rows = rows_of(3 * MAX_ROWS - 5)
    ref = await store.datasets.put(rows)
    assert await store.datasets.rows(ref.sha, start, start + length) == rows[start : start + length]
    store.close()


async def test_rows_at_any_indices_in_their_order(store: Store) -> None:
    rows = rows_of(3 * MAX_ROWS)
    ref = await store.datasets.put(rows)
    indices = [MAX_ROWS, 0, 3 * MAX_ROWS - 1, 0, MAX_ROWS - 1, 200]
    assert await store.datasets.rows_at(ref.sha, indices) == [rows[i] for i in indices]
    assert await store.datasets.rows_at(ref.sha, []) == []
    with pytest.raises(IndexError, match=f"no row {len(rows)}"):
        await store.datasets.rows_at(ref.sha, [0, len(rows)])


async def test_only_the_blocks_asked_for_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.store.sql import datasets as sql

    ref = await store.datasets.put(rows_of(20 * MAX_ROWS))
    read: list[bytes] = []
    unpack = sql.unpack
    monkeypatch.setattr(sql, "unpack", lambda body: (read.append(body), unpack(body))[1])
    await store.datasets.rows(ref.sha, 5 * MAX_ROWS, 5 * MAX_ROWS + 64)
    assert len(read) <= 2
    read.clear()
    await store.datasets.rows_at(ref.sha, [0, 1, 10 * MAX_ROWS, 10 * MAX_ROWS + 5])
    assert len(read) == 2


async def test_huge_rows_make_small_blocks(store: Store) -> None:
    rows = [{"text": f"{i}" * MAX_BYTES} for i in range(5)]
    ref = await store.datasets.put(rows)
    assert count_of(store, blocks) == 5
    assert await store.datasets.rows_at(ref.sha, [4, 2]) == [rows[4], rows[2]]


async def test_no_rows_is_a_dataset_too(store: Store) -> None:
    ref = await store.datasets.put([])
    assert ref.rows == 0
    assert await store.datasets.rows(ref.sha) == []


async def test_equal_rows_are_one_dataset(store: Store, another: Callable[[], Store]) -> None:
    refs = await asyncio.gather(*(another().datasets.put(iter(rows_of(1000)), ["text"]) for _ in range(4)))
    assert len({ref.sha for ref in refs}) == 1
    assert count_of(store, datasets) == 1
    assert count_of(store, blocks) == -(-1000 // MAX_ROWS)


@pytest.mark.parametrize(
    ("rows", "inputs"),
    [
        (rows_of(9), ["text"]),
        (rows_of(10), ["nested"]),
        (rows_of(10), None),
        (rows_of(10)[::-1], ["text"]),
        ([{"nested": row["nested"], "text": row["text"]} for row in rows_of(10)], ["text"]),
    ],
    ids=["fewer rows", "other inputs", "no inputs", "other order", "other order of fields"],
)
async def test_anything_else_is_another_dataset(store: Store, rows: list[dict[str, Any]], inputs: Any) -> None:
    one = await store.datasets.put(rows_of(10), ["text"])
    assert (await store.datasets.put(rows, inputs)).sha != one.sha


async def test_order_of_fields_is_kept(store: Store) -> None:
    ref = await store.datasets.put([{"z": 1, "a": {"y": 1, "b": 2}}])
    (row,) = await store.datasets.rows(ref.sha)
    assert list(row) == ["z", "a"]
    assert list(row["a"]) == ["y", "b"]


@pytest.mark.parametrize("value", [2**200, -(2**63) - 1, float("inf"), 0.1 + 0.2, "\ud83d", "\0", "\u2028\n\r"])
async def test_values_come_back_exactly(store: Store, value: Any) -> None:
    ref = await store.datasets.put([{"value": value}])
    assert await store.datasets.rows(ref.sha) == [{"value": value}]


async def test_a_put_that_breaks_off_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.store.dataset_writer.BATCH_BYTES", 1000)

    def broken() -> Iterator[dict[str, Any]]:
        yield from rows_of(1000)
        assert count_of(store, blocks) > 0
        raise RuntimeError("file cut short")

    with pytest.raises(RuntimeError, match="cut short"):
        await store.datasets.put(broken())
    assert count_of(store, datasets) == 0
    assert count_of(store, blocks) == 0


async def test_a_cancelled_put_stops_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.store.dataset_writer.BATCH_BYTES", 1000)
    under_way, stopped = threading.Event(), threading.Event()

    def endless() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield from rows_of(1000)
                under_way.set()
        finally:
            stopped.set()

    put = asyncio.create_task(store.datasets.put(endless()))
    await asyncio.to_thread(under_way.wait)
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    await asyncio.to_thread(stopped.wait)

    async def gone() -> bool:
        return count_of(store, datasets) == 0

    await until(gone)
    assert count_of(store, blocks) == 0


async def test_what_a_killed_put_left_is_swept_out_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.store.dataset_block import DatasetBlock
    from dspex.store.sql import datasets as sql

    def left_behind(connection: Any) -> None:
        sql.add_blocks(connection, sql.begin(connection, now=0.0), [DatasetBlock(0, 1, b"x")])

    store._database.transact(left_behind)
    store._database.transact(lambda c: c.execute(update(datasets).values(created_at=0.0)))
    ref = await store.datasets.put(rows_of(3))
    assert count_of(store, datasets) == 1
    assert count_of(store, blocks) == 1
    assert await store.datasets.rows(ref.sha) == rows_of(3)


async def test_rows_may_be_other_objects(store: Store) -> None:
    @dataclasses.dataclass
    class Question:
        text: str

    ref = await store.datasets.put([Question("why"), {"text": "how"}])
    assert await store.datasets.rows(ref.sha) == [{"text": "why"}, {"text": "how"}]


async def test_a_row_that_is_no_object_is_named(store: Store) -> None:
    with pytest.raises(UsageError, match=r"Row 1 .* list"):
        await store.datasets.put([{"a": 1}, ["a", 1]])


async def test_a_field_that_is_no_data_is_named(store: Store) -> None:
    with pytest.raises(UsageError, match=r"'row 2\.tools\[0\]'.*function"):
        await store.datasets.put([{"a": 1}, {"a": 2}, {"tools": [rows_of]}])


async def test_a_dataset_elsewhere_says_that_hosts_share_a_store(store: Store) -> None:
    for ask in (store.datasets.info("0" * 64), store.datasets.rows("0" * 64), store.datasets.rows_at("0" * 64, [0])):
        with pytest.raises(NotInStoreError, match=r"no dataset 000000000000.*share one store: set DSPEX_STORE"):
            await ask
