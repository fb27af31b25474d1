"""A store that does not work says which one it is and what is wrong, and works again afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from entries import entry

from dspex.errors import FailureKind, StoreError, StoreFullError, classify
from dspex.store import Hit, Store, Won
from dspex.store.sql import engine


async def problem_of(store: Store) -> str:
    """What `check` says, password and all."""
    with pytest.raises(StoreError) as caught:
        await store.check()
    assert classify(caught.value) is FailureKind.INFRASTRUCTURE
    store.close()
    return str(caught.value)


async def test_check_leaves_nothing_behind(store: Store) -> None:
    from sqlalchemy import func, select

    from dspex.store.sql.schema import probes

    await store.check()
    assert store._database.query(lambda c: c.execute(select(func.count()).select_from(probes)).scalar()) == 0


async def test_directory_that_is_not_there(tmp_path: Path) -> None:
    said = await problem_of(Store(tmp_path / "typo" / "store.db"))
    assert f"there is no directory {tmp_path / 'typo'}" in said


async def test_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_text("text,intent\n" * 1000)
    said = await problem_of(Store(file))
    assert str(file) in said
    assert "is not an SQLite database" in said
    assert file.read_text() == "text,intent\n" * 1000


async def test_directory_for_a_file(tmp_path: Path) -> None:
    assert "cannot be opened" in await problem_of(Store(tmp_path))


async def test_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = Store(file)
    await store.check()
    store.close()
    with file.open("r+b") as body:  # the pages of the tables, but not the header
        body.seek(4096)
        body.write(b"\xff" * (file.stat().st_size - 4096))
    assert "is damaged" in await problem_of(Store(file))


async def test_file_of_another_version(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    await store.check()
    store.close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE dspex_version SET version = 999")
    connection.close()
    assert "made by another version of dspex (tables of version 999" in await problem_of(Store(tmp_path / "store.db"))


async def test_file_that_another_process_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "store.db"
    first = Store(file)
    await first.check()
    first.close()
    monkeypatch.setattr(engine, "BUSY_S", 0)
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    store = Store(file)
    with pytest.raises(StoreError, match="is locked"):
        await store.ledger.claim("key")
    lock.execute("ROLLBACK")
    lock.close()
    assert await store.ledger.claim("key") == Won()
    store.close()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"no small file system can be mounted here: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


async def test_disk_that_became_read_only(tiny_disk: Path) -> None:
    store = Store(tiny_disk / "store.db")
    await store.check()
    store.close()
    remount(tiny_disk, "ro")
    assert re.search(
        r"store\.db (is read-only|cannot be (opened|read or written))", await problem_of(Store(tiny_disk / "store.db"))
    )


async def test_full_disk_loses_nothing_and_heals(tiny_disk: Path) -> None:
    store = Store(tiny_disk / "store.db")
    await store.check()
    recorded: list[str] = []
    with pytest.raises(StoreFullError, match=r"disk that holds the store .*store\.db is full\. Free some space"):
        for i in range(1000):
            await store.ledger.claim(f"key {i}")
            await store.ledger.record(entry(f"key {i}", response=os.urandom(8000)))
            recorded.append(f"key {i}")
    assert recorded
    with pytest.raises(StoreFullError):
        await store.datasets.put([{"text": os.urandom(8000).hex()} for _ in range(100)])

    remount(tiny_disk, "size=8m")
    await store.check()
    fresh = Store(tiny_disk / "store.db")
    answers = await asyncio.gather(*map(fresh.ledger.claim, recorded))
    assert all(isinstance(answer, Hit) for answer in answers)
    # The call that found the disk full still holds its claim, and is recorded now.
    unlucky = f"key {len(recorded)}"
    await store.ledger.record(entry(unlucky))
    assert await fresh.ledger.claim(unlucky) == Hit(entry(unlucky))
    store.close()
    fresh.close()


async def test_disk_full_from_the_start(tiny_disk: Path) -> None:
    (tiny_disk / "other").write_bytes(b"x" * (1024 * 1024 - 8192))
    store = Store(tiny_disk / "store.db")
    with pytest.raises(StoreFullError):
        await store.check()
    store.close()
