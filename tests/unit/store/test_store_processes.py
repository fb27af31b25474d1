from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from entries import entry
from processes import end, go, line, start
from support.waiting import until

from dspex.store import Held, Hit, Store, Won


def test_four_processes_pay_for_each_call_once_and_all_get_its_answer(url: str) -> None:
    """They also make the tables at the same time."""
    count = 200
    processes = [start("claimer.py", url, f"process {i}", str(count)) for i in range(4)]
    try:
        assert [line(process) for process in processes] == ["ready"] * 4
        for process in processes:
            go(process)
        reports = [json.loads(line(process)) for process in processes]
    finally:
        for process in processes:
            end(process)
    won = [key for report in reports for key in report["won"]]
    assert len(won) == len(set(won)) == count
    assert all(report["answers"] == reports[0]["answers"] for report in reports)
    winners = {key: f"process {i}: {key}" for i, report in enumerate(reports) for key in report["won"]}
    assert reports[0]["answers"] == winners


def test_process_that_ends_releases_its_claims_at_once(tmp_path: Path) -> None:
    process = start("leaver.py", str(tmp_path / "store.db"))
    try:
        assert line(process) == "Won()"
        store = Store(tmp_path / "store.db")
        assert asyncio.run(store.ledger.claim("key")) == Held()
        go(process)
        assert process.wait() == 0
        assert asyncio.run(store.ledger.claim("key")) == Won()
        store.close()
    finally:
        end(process)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_is_an_owner_of_its_own(tmp_path: Path) -> None:
    process = start("forker.py", str(tmp_path / "store.db"))
    try:
        report = json.loads(line(process))
        assert process.wait() == 0
    finally:
        end(process)
    assert report == {
        "child claims the parent's key": "Held()",
        "child claims another key": "Won()",
        "parent claims the child's key": "Held()",
        "parent reads after the child": "Hit",
        "child reads what the parent recorded": "Hit",
    }


async def test_frozen_process_loses_its_claims_and_its_late_answer(tmp_path: Path) -> None:
    url = str(tmp_path / "store.db")
    store = Store(url)
    process = start("leaver.py", url)
    try:
        assert line(process) == "Won()"
        process.send_signal(signal.SIGSTOP)

        async def won() -> bool:
            return await store.ledger.claim("key") == Won()

        await until(won, "the claim of the frozen process lapses")
        await store.ledger.record(entry(response=b"ours"))
        process.send_signal(signal.SIGCONT)
        go(process)
        assert process.wait() == 0
        answer = await store.ledger.claim("key")
        assert isinstance(answer, Hit)
        assert answer.entry.response == b"ours"
    finally:
        end(process)
        store.close()
