from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from entries import entry
from sqlalchemy import select
from support.waiting import until

from dspex.errors import StoreError
from dspex.store import Bill, Held, Hit, Store, Won
from dspex.store.sql.schema import claims

Another = Callable[[], Store]


async def test_first_claim_wins_and_others_wait(store: Store, another: Another) -> None:
    assert await store.ledger.claim("key") == Won()
    assert await store.ledger.claim("key") == Held()
    assert await another().ledger.claim("key") == Held()


async def test_recorded_call_is_a_hit_for_everyone(store: Store, another: Another) -> None:
    await store.ledger.claim("key")
    assert await store.ledger.record(entry()) == entry()
    assert await store.ledger.claim("key") == Hit(entry())
    assert await another().ledger.claim("key") == Hit(entry())
    assert await another().ledger.lookup("key") == entry()


async def test_lookup_claims_nothing(store: Store, another: Another) -> None:
    assert await store.ledger.lookup("key") is None
    assert await another().ledger.claim("key") == Won()


async def test_released_claim_can_be_won_again(store: Store, another: Another) -> None:
    await store.ledger.claim("key")
    await store.ledger.release("key")
    assert await another().ledger.claim("key") == Won()


async def test_release_of_what_another_holds_changes_nothing(store: Store, another: Another) -> None:
    other = another()
    await other.ledger.claim("key")
    await store.ledger.release("key")
    assert await store.ledger.claim("key") == Held()


async def test_closing_a_store_releases_its_claims(store: Store, another: Another) -> None:
    leaving = another()
    assert [await leaving.ledger.claim(key) for key in "abc"] == [Won()] * 3
    leaving.close()
    assert await asyncio.gather(*map(store.ledger.claim, "abc")) == [Won()] * 3


async def test_of_many_claims_at_once_one_wins_each_key(another: Another) -> None:
    ledgers = [another().ledger for _ in range(3)]
    keys = [f"key {i % 100}" for i in range(900)]
    answers = await asyncio.gather(*(ledgers[i % 3].claim(key) for i, key in enumerate(keys)))
    won = [key for key, answer in zip(keys, answers, strict=True) if answer == Won()]
    assert sorted(won) == sorted(set(keys))
    assert answers.count(Held()) == 800


async def test_first_record_stands_and_the_second_payment_is_on_the_bill(store: Store, another: Another) -> None:
    late = another()
    await store.ledger.record(entry(response=b"first"))
    assert await late.ledger.record(entry(response=b"second", run_id="late")) == entry(response=b"first")
    assert await late.ledger.lookup("key") == entry(response=b"first")
    assert await store.ledger.bill("late") == Bill(1, 10, 5, 0.25, repeated=1)
    assert (await store.ledger.bill_total()).calls == 2


async def test_same_record_sent_twice_is_paid_once(store: Store, another: Another) -> None:
    await store.ledger.record(entry())
    await another().ledger.record(entry())
    assert await store.ledger.bill("run") == Bill(1, 10, 5, 0.25)


async def test_two_answers_to_one_call_in_one_batch(store: Store) -> None:
    answers = await asyncio.gather(*(store.ledger.record(entry(response=body)) for body in (b"a", b"b", b"a")))
    assert len(set(answers)) == 1
    assert await store.ledger.bill("run") == Bill(2, 20, 10, 0.5, repeated=1)


async def test_bill_adds_up_a_run(store: Store) -> None:
    await asyncio.gather(
        store.ledger.record(entry("a", cost_usd=0.1)),
        store.ledger.record(entry("b", cost_usd=0.2)),
        store.ledger.record(entry("c", cost_usd=None)),
        store.ledger.record(entry("d", run_id=None)),
    )
    assert await store.ledger.bill("run") == Bill(3, 30, 15, 0.3)
    assert await store.ledger.bill("no such run") == Bill(0, 0, 0, 0.0)
    assert await store.ledger.bill_total() == Bill(4, 40, 20, 0.55)


async def test_call_recorded_between_the_look_and_the_claim_is_a_hit(
    store: Store, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, other = store.ledger._work, another()
    claim = work._claim

    def claim_too_late(requests: Any) -> None:
        other._database.transact(lambda connection: other.ledger._work.sql.record(connection, [entry()]))
        claim(requests)

    monkeypatch.setattr(work, "_claim", claim_too_late)
    assert await store.ledger.claim("key") == Hit(entry())
    assert claims_in(store) == []


async def test_record_drops_the_claim_whoever_holds_it(store: Store, another: Another) -> None:
    await store.ledger.claim("key")
    await another().ledger.claim("other")
    await store.ledger.record(entry())
    await store.ledger.record(entry("other"))
    assert claims_in(store) == []
    assert store.ledger._work.due_in() is None, "it sends heartbeats for nothing"


def claims_in(store: Store) -> list[str]:
    return store._database.query(lambda connection: list(connection.execute(select(claims.c.key)).scalars()))


async def test_claim_won_by_a_cancelled_waiter_is_given_up(store: Store, another: Another) -> None:
    waiter = asyncio.create_task(store.ledger.claim("key"))
    await asyncio.sleep(0)  # it has asked
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await _won_in_the_end(another(), "key")


async def test_claim_won_in_the_moment_of_cancelling_is_given_up(
    store: Store, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = store.ledger._batcher
    set_results = batcher._set_results

    def cancel_after_the_answer_before_the_waiter_runs(delivery: Any) -> None:
        set_results(delivery)
        waiter.cancel()

    monkeypatch.setattr(batcher, "_set_results", cancel_after_the_answer_before_the_waiter_runs)
    waiter = asyncio.create_task(store.ledger.claim("key"))
    with pytest.raises(asyncio.CancelledError):
        await waiter
    monkeypatch.undo()
    await _won_in_the_end(another(), "key")


def test_claim_won_for_a_loop_that_is_closed_is_given_up(store: Store) -> None:
    async def asked_and_gone() -> None:
        task = asyncio.create_task(store.ledger.claim("key"))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(asked_and_gone())
    asyncio.run(_won_in_the_end(store, "key"))


async def _won_in_the_end(store: Store, key: str) -> None:
    async def won() -> bool:
        return await store.ledger.claim(key) == Won()

    await until(won)


def test_one_store_serves_event_loops_of_several_threads(store: Store) -> None:
    answers: list[object] = []

    async def claims() -> None:
        answers.extend(await asyncio.gather(*(store.ledger.claim(f"key {i}") for i in range(50))))

    threads = [threading.Thread(target=asyncio.run, args=(claims(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(Won()) == 50
    assert answers.count(Held()) == 150


async def test_one_bad_request_does_not_spoil_its_batch(store: Store) -> None:
    bad: Any = entry("bad", prompt_tokens=None)
    answers = await asyncio.gather(
        store.ledger.record(entry("a")),
        store.ledger.record(bad),
        store.ledger.record(entry("b")),
        return_exceptions=True,
    )
    assert isinstance(answers[1], StoreError)
    assert answers[0] == entry("a")
    assert answers[2] == entry("b")


async def test_memory_in_front_is_bounded_by_bytes(store: Store) -> None:
    recent = store.ledger._recent
    recent._max_bytes = 100_000
    keys = [f"key {i}" for i in range(100)]
    await asyncio.gather(*(store.ledger.record(entry(key, response=bytes(4_000))) for key in keys))
    assert 0 < recent.bytes <= 100_000
    assert 0 < len(recent) < 100
    assert await asyncio.gather(*map(store.ledger.lookup, keys)) == [entry(key, response=bytes(4_000)) for key in keys]


async def test_closed_store_says_so(store: Store) -> None:
    await store.ledger.claim("key")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.ledger.claim("other")
    with pytest.raises(StoreError, match="closed"):
        await store.programs.get("x")
