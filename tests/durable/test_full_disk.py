"""A disk that fills up in the middle of a run: the run says so, waits, and loses nothing that was paid for."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from chaos.cluster import wait_until
from support.waiting import until

import dspex
from dspex.errors import StoreFullError
from dspex.store import Store
from dspex.temporal.client import Client
from dspex_practice import PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

pytestmark = [pytest.mark.chaos, pytest.mark.integration]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def store(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The run's store, on the small disk."""
    monkeypatch.setenv("DSPEX_STORE", str(disk / "store.db"))
    opened = Store.open()
    yield opened
    opened.close()


def fill(disk: Path) -> Path:
    """Take what room there is."""
    ballast = disk / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(file, b"\0" * 4096):
            pass
    os.close(file)
    return ballast


async def test_run_waits_for_room_and_pays_for_nothing_twice(
    disk: Path, model: PracticeServer, client: Client, worker: Worker
) -> None:
    async with worker():
        run = await client.evaluate(task.program, devset=task.examples(3000), metric=right_kind)
        await asyncio.to_thread(wait_until, lambda: model.stats()["answered"] >= 100, "some calls are answered")
        ballast = fill(disk)

        async def says_so() -> bool:
            return "full" in (await run.progress()).message

        await until(says_so, "the run says that the disk is full")
        ballast.unlink()
        result = await run.result()
    stats = model.stats()
    assert result.n_failed == 0
    assert stats["calls"] == stats["distinct_requests"] == 3000


async def test_full_disk_is_found_before_anything_is_paid_for(disk: Path, model: PracticeServer, store: Store) -> None:
    fill(disk)
    optimizer = dspex.BootstrapFewShot(metric=right_kind)
    with pytest.raises(StoreFullError, match="is full"):
        await asyncio.to_thread(lambda: optimizer.compile(task.program, trainset=task.examples(20)))
    assert model.stats()["calls"] == 0
