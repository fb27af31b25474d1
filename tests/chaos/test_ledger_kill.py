"""`kill -9` of processes that hold claims: somebody else makes their calls, once, and nothing recorded is lost."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "store"))

from entries import entry
from processes import end, go, line, start
from support.waiting import until

from dspex.store import Held, Hit, Store, Won

pytestmark = pytest.mark.chaos


async def test_killed_holders_claim_is_won_by_exactly_one_other(tmp_path: Path) -> None:
    url = str(tmp_path / "store.db")
    heirs = [Store(url) for _ in range(3)]
    process = start("leaver.py", url)
    assert line(process) == "Won()"
    assert [await heir.ledger.claim("key") for heir in heirs] == [Held()] * 3
    end(process)
    winners = 0

    async def somebody_won() -> bool:
        nonlocal winners
        answers = await asyncio.gather(*(heir.ledger.claim("key") for heir in heirs))
        winners += answers.count(Won())
        return winners > 0

    await until(somebody_won)
    assert winners == 1
    # The winner writes heartbeats, so it keeps the claim for longer than a dead process would.
    assert [await heir.ledger.claim("key") for heir in heirs] == [Held()] * 3
    for heir in heirs:
        heir.close()


async def test_a_holder_that_lives_keeps_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.store.records.claim.VOID_AFTER_S", 0.5)
    monkeypatch.setattr("dspex.store.ledger_thread.HEARTBEAT_EVERY_S", 0.05)
    holder, other = Store(tmp_path / "store.db"), Store(tmp_path / "store.db")
    heartbeats: list[str] = []
    assert await holder.ledger.claim("key") == Won()
    write = holder.ledger._work.sql.heartbeat
    monkeypatch.setattr(
        holder.ledger._work.sql, "heartbeat", lambda connection, me: (heartbeats.append(me), write(connection, me))[1]
    )

    async def lived_long_enough() -> bool:
        assert await other.ledger.claim("key") == Held()
        return len(heartbeats) > 20

    await until(lived_long_enough)
    holder.close()
    other.close()


async def test_workers_killed_again_and_again_lose_nothing_recorded(tmp_path: Path) -> None:
    url, count = str(tmp_path / "store.db"), 300
    store = Store(url)
    await store.check()
    recorded: dict[str, bytes] = {}
    for generation in range(3):
        processes = [start("claimer.py", url, f"{generation}/{i}", str(count)) for i in range(2)]
        for process in processes:
            assert line(process) == "ready"
            go(process)

        async def some_more_recorded(wanted: int = min(count, len(recorded) + 40)) -> bool:
            return (await store.ledger.bill_total()).calls >= wanted

        await until(some_more_recorded)
        for process in processes:
            end(process)
        for i in range(count):
            found = await store.ledger.lookup(f"key {i}")
            if found is not None:
                assert recorded.setdefault(found.key, found.response) == found.response
    process = start("claimer.py", url, "last", str(count))
    assert line(process) == "ready"
    go(process)
    answers: dict[str, str] = json.loads(await asyncio.to_thread(line, process))["answers"]
    end(process)
    assert len(answers) == count
    assert {key: answers[key].encode() for key in recorded} == recorded
    assert (await store.ledger.bill_total()).repeated == 0
    assert await store.ledger.claim("key 0") == Hit(
        entry("key 0", response=answers["key 0"].encode(), run_id=answers["key 0"].partition(":")[0])
    )
    store.close()
