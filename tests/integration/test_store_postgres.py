"""What only PostgreSQL can do to a store: die and come back, deadlock, refuse, and hear of two hosts at once.

The store's own tests (tests/unit/store) run on it as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text, update
from support.postgres import Postgres, postgres, running

from dspex.errors import FailureKind, StoreError, classify
from dspex.store import Bill, Hit, LedgerEntry, Store, Won
from dspex.store.sql.schema import owners

__all__ = ["postgres"]

Stores = list[Store]


def entry(key: str, response: bytes = b"{}") -> LedgerEntry:
    return LedgerEntry(key, "openai/test", response, 10, 5, 0.25, 0.5, "run")


@pytest.fixture
def hosts(postgres: Postgres) -> Iterator[Stores]:
    """Four stores on one database."""
    url = postgres.new_database()
    stores = [Store(url) for _ in range(4)]
    yield stores
    for store in stores:
        store.close()


async def test_hosts_that_claim_and_record_in_every_order_pay_once(hosts: Stores) -> None:
    keys = [f"key {i}" for i in range(150)]
    won: list[str] = []

    async def settle(store: Store, key: str) -> bytes:
        while True:
            answer = await store.ledger.claim(key)
            if isinstance(answer, Hit):
                return answer.entry.response
            if answer == Won():
                won.append(key)
                return (await store.ledger.record(entry(key, str(id(store)).encode()))).response
            await asyncio.sleep(0.005)

    async def host(number: int) -> list[bytes]:
        """Asks in an order of its own, so that hosts hold what others wait for."""
        order = keys[number * 37 :] + keys[: number * 37]
        answers = await asyncio.gather(*(settle(hosts[number], key) for key in order))
        return [dict(zip(order, answers, strict=True))[key] for key in keys]

    answers = await asyncio.gather(*map(host, range(4)))
    assert sorted(won) == sorted(keys)
    assert all(answer == answers[0] for answer in answers)
    assert await hosts[0].ledger.bill("run") == Bill(150, 1500, 750, 37.5)


async def test_claims_of_a_dead_host_are_won_once_by_those_that_race_for_them(hosts: Stores) -> None:
    *living, dead = hosts
    keys = [f"key {i}" for i in range(100)]
    assert await asyncio.gather(*map(dead.ledger.claim, keys)) == [Won()] * 100
    work = dead.ledger._work
    work._held.clear()  # it sends no more heartbeats
    silence = update(owners).where(owners.c.id == work.owner).values(beat=0.0)
    dead._database.transact(lambda connection: connection.execute(silence))
    answers = await asyncio.gather(*(heir.ledger.claim(key) for key in keys for heir in living))
    assert [answers[i * 3 : i * 3 + 3].count(Won()) for i in range(100)] == [1] * 100


def test_tables_made_by_many_at_once(postgres: Postgres) -> None:
    url = postgres.new_database()
    stores = [Store(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda store: asyncio.run(store.check()), stores))
    for store in stores:
        store.close()


async def test_server_that_goes_away_and_comes_back() -> None:
    with running() as server:
        if isinstance(server, str):
            pytest.skip(server)
        store = Store(server.new_database())
        await store.ledger.claim("kept")
        await store.ledger.record(entry("kept"))
        assert await store.ledger.claim("open") == Won()
        await store.check()
        await asyncio.to_thread(server.stop)
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            await store.ledger.claim("new")
        assert classify(caught.value) is FailureKind.INFRASTRUCTURE
        await asyncio.to_thread(server.start)
        await store.check()
        fresh = Store(store.url)
        assert await fresh.ledger.claim("kept") == Hit(entry("kept"))
        await store.ledger.record(entry("open"))
        assert await fresh.ledger.claim("open") == Hit(entry("open"))
        store.close()
        fresh.close()


async def test_connection_that_is_cut_is_made_again_without_a_word(hosts: Stores) -> None:
    store, other, *_ = hosts
    assert await store.ledger.claim("a") == Won()
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid != pg_backend_pid() AND datname = current_database()"
    )
    other._database.query(lambda connection: connection.execute(cut).all())
    assert await store.ledger.claim("b") == Won()
    assert (await store.ledger.record(entry("a"))) == entry("a")


async def test_server_that_is_not_there_is_named_without_its_password() -> None:
    store = Store("postgresql://someone:secret@127.0.0.1:1/nothing")
    with pytest.raises(
        StoreError, match=r"postgresql://someone:\*\*\*@127\.0\.0\.1:1/nothing cannot be reached"
    ) as caught:
        await store.check()
    assert "secret" not in str(caught.value)
    store.close()


async def test_database_that_is_not_there_is_named(postgres: Postgres) -> None:
    store = Store(postgres.url("no_such_database"))
    with pytest.raises(StoreError, match='"no_such_database" does not exist'):
        await store.check()
    store.close()


async def test_text_that_postgresql_does_not_take_spoils_no_other_request(hosts: Stores) -> None:
    store = hosts[0]
    answers = await asyncio.gather(
        store.ledger.claim("good"), store.ledger.claim("bad \0"), store.ledger.claim("fine"), return_exceptions=True
    )
    assert answers[0] == answers[2] == Won()
    assert isinstance(answers[1], StoreError)


def test_benchmark_runs_on_postgresql(postgres: Postgres) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "ledger_hits.py"
    command = [sys.executable, str(script), "--calls", "200", "--url", postgres.new_database()]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(result.stdout.splitlines()[-1])["hit_in_database_per_s"] > 0
