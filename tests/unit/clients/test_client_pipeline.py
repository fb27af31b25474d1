"""The way of a call: nothing finished is paid for twice, nothing paid for is lost, and it is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import FakeTransport, MemoryLedger, completion, response, until

from dspex.clients import LM, drain
from dspex.clients.calls import claims
from dspex.clients.calls.scope import CallScope, Usage, call_scope
from dspex.errors import (
    LMAuthError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTransportError,
    LMUnexpectedError,
    StoreFullError,
)

Make = Callable[..., LM]


async def test_second_call_is_answered_from_the_ledger(make_lm: Make) -> None:
    network = FakeTransport()
    lm = make_lm(network)
    with call_scope(CallScope(run_id="r")) as scope:
        assert await lm.acall("hi") == await lm.acall("hi") == ["Paris"]
    assert len(network.sent) == 1
    assert scope.usage == Usage(1, 1, 10, 5, scope.usage.cost_usd)
    assert scope.usage.cost_usd == pytest.approx(10 * 0.15e-6 + 5 * 0.6e-6)


async def test_hundred_identical_calls_at_once_are_one(make_lm: Make, ledger: MemoryLedger) -> None:
    gate = asyncio.Event()
    network = FakeTransport(gate=gate)
    lm = make_lm(network)
    with call_scope(CallScope(run_id="r")) as scope:
        calls = [asyncio.create_task(lm.acall("hi")) for _ in range(100)]
        await until(lambda: bool(network.sent))
        gate.set()
        assert await asyncio.gather(*calls) == [["Paris"]] * 100
    assert len(network.sent) == 1
    assert (scope.usage.calls, scope.usage.calls_from_ledger) == (1, 99)
    assert len(ledger.entries) == 1


async def test_nobody_gets_an_answer_that_another_can_change(make_lm: Make) -> None:
    lm = make_lm()
    one, two = await asyncio.gather(lm.aforward("hi"), lm.aforward("hi"))
    one["choices"].clear()
    assert two.choices[0].message.content == "Paris"


async def test_cancelled_waiter_does_not_abort_a_paid_call(make_lm: Make, ledger: MemoryLedger) -> None:
    gate = asyncio.Event()
    network = FakeTransport(gate=gate)
    lm = make_lm(network)
    waiter = asyncio.create_task(lm.acall("hi"))
    await until(lambda: bool(network.sent))
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    gate.set()
    await drain()
    assert await lm.acall("hi") == ["Paris"]
    assert len(network.sent) == len(ledger.entries) == 1


async def test_call_that_nobody_waits_for_is_not_sent(make_lm: Make, ledger: MemoryLedger) -> None:
    gate = asyncio.Event()
    network = FakeTransport(gate=gate)
    lm = make_lm(network, max_concurrency=1)
    first, queued = asyncio.create_task(lm.acall("first")), asyncio.create_task(lm.acall("queued"))
    await until(lambda: len(ledger.claims) == 2)
    queued.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await first == ["Paris"]
    await drain()
    assert len(network.sent) == 1
    assert not ledger.claims


async def test_answer_of_another_process_is_waited_for(make_lm: Make, ledger: MemoryLedger) -> None:
    lm = make_lm()
    await lm.acall("hi")
    ((key, entry),) = ledger.entries.items()
    ledger.entries.clear()
    ledger.held.add(key)
    again = asyncio.create_task(lm.acall("hi"))
    asked = ledger.asked
    await until(lambda: ledger.asked > asked)
    ledger.entries[key] = entry
    assert await again == ["Paris"]


async def test_claim_of_a_dead_process_is_taken_over(make_lm: Make, ledger: MemoryLedger) -> None:
    network = FakeTransport()
    lm = make_lm(network)
    await lm.acall("hi")
    (key,) = ledger.entries
    ledger.entries.clear()
    ledger.held.add(key)
    again = asyncio.create_task(lm.acall("hi"))
    asked = ledger.asked
    await until(lambda: ledger.asked > asked)
    ledger.held.clear()
    assert await again == ["Paris"]
    assert len(network.sent) == 2


async def test_failed_call_gives_its_claim_up_and_is_left_in_the_scope(make_lm: Make, ledger: MemoryLedger) -> None:
    lm = make_lm(FakeTransport(response(503)), num_retries=0)
    with call_scope(CallScope(run_id="r")) as scope, pytest.raises(LMServerError):
        await lm.acall("hi")
    assert isinstance(scope.failure, LMServerError)
    assert not ledger.claims
    assert scope.usage == Usage()


async def test_programs_own_failure_is_not_left_in_the_scope(make_lm: Make) -> None:
    lm = make_lm(FakeTransport(response(400, {"error": {"message": "bad field"}})))
    with call_scope(CallScope()) as scope, pytest.raises(LMInvalidRequestError, match="bad field"):
        await lm.acall("hi")
    assert scope.failure is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(429), LMRateLimitError),
        (response(500), LMServerError),
        (response(200, b"<html>"), LMUnexpectedError),
        (LMTransportError("connection reset"), LMTransportError),
    ],
)
async def test_passing_trouble_is_tried_again(make_lm: Make, naps: list[float], answer: Any, kind: type) -> None:
    network = FakeTransport(answer, answer, response())
    assert await make_lm(network).acall("hi") == ["Paris"]
    assert (len(network.sent), len(naps)) == (3, 2)
    assert naps[0] <= 0.5
    assert naps[1] <= 1.0


async def test_tries_are_counted_after_the_first(make_lm: Make, naps: list[float]) -> None:
    network = FakeTransport(response(500, {"error": "down"}))
    with pytest.raises(LMServerError, match="down"):
        await make_lm(network, num_retries=2).acall("hi")
    assert len(network.sent) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_not_pass_is_raised_at_once(make_lm: Make, naps: list[float], status: int) -> None:
    network = FakeTransport(response(status, {"error": {"message": "no, thank you"}}))
    with pytest.raises(Exception, match="no, thank you"):
        await make_lm(network).acall("hi")
    assert (len(network.sent), naps) == (1, [])


async def test_missing_key_is_hinted_at(make_lm: Make) -> None:
    lm = make_lm(FakeTransport(response(401)), api_key=None)
    with pytest.raises(LMAuthError, match="no key was sent"):
        await lm.acall("hi")


async def test_keyless_endpoint_gets_no_authorization(make_lm: Make) -> None:
    network = FakeTransport()
    await make_lm(network, api_key=None).acall("hi")
    assert "Authorization" not in network.sent[0][1]


async def test_retry_after_is_honoured(make_lm: Make, naps: list[float]) -> None:
    network = FakeTransport(response(503, None, Retry_After="7"), response())
    await make_lm(network).acall("hi")
    assert 7 <= naps[0] <= 7.5


async def test_rate_limit_rests_the_endpoint_for_all(make_lm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(
        "dspex.clients.resilience.adaptive_rate.AdaptiveRateLimiter.rest", lambda self, seconds: rests.append(seconds)
    )
    network = FakeTransport(response(429, None, Retry_After="7"), response())
    assert await make_lm(network).acall("hi") == ["Paris"]
    assert rests == [7]


async def test_pause_of_minutes_is_left_to_who_called(make_lm: Make, naps: list[float]) -> None:
    with pytest.raises(LMRateLimitError) as caught:
        await make_lm(FakeTransport(response(429, None, Retry_After="3600"))).acall("hi")
    assert caught.value.retry_after == 3600
    assert naps == []


async def test_paid_answer_outlives_a_full_disk(make_lm: Make, ledger: MemoryLedger, caplog: Any) -> None:
    ledger.broken = [StoreFullError("no room")]
    network = FakeTransport()
    assert await make_lm(network).acall("hi") == ["Paris"]
    assert len(network.sent) == len(ledger.entries) == 1
    assert "no room" in caplog.text


async def test_disk_that_stays_full_is_said(
    make_lm: Make, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "STORE_WAIT_SECONDS", -1.0)
    ledger.broken = [StoreFullError("no room")]
    with call_scope(CallScope(run_id="r")) as scope, pytest.raises(StoreFullError):
        await make_lm().acall("hi")
    assert isinstance(scope.failure, StoreFullError)


async def test_uncached_calls_are_made_each_time_and_found_again_by_a_retry(make_lm: Make) -> None:
    network = FakeTransport()
    lm = make_lm(network, cache=False)
    for _ in range(2):
        with call_scope(CallScope(run_id="r", path="baseline/1")) as scope:
            await lm.acall("hi")
            await lm.acall("hi")
    assert len(network.sent) == 2
    assert scope.usage == Usage(calls_from_ledger=2)


async def test_uncached_calls_outside_a_run_leave_no_trace(make_lm: Make, ledger: MemoryLedger) -> None:
    network = FakeTransport()
    lm = make_lm(network)
    for _ in range(2):
        await lm.acall("hi", cache=False)
    assert len(network.sent) == 2
    assert not ledger.entries


async def test_rollouts_are_calls_of_their_own_and_the_number_is_not_sent(make_lm: Make) -> None:
    network = FakeTransport()
    lm = make_lm(network, temperature=1.0)
    for rollout in (None, 1, 2, 1):
        await lm.copy(rollout_id=rollout).acall("hi")
    assert len(network.sent) == 3
    assert all("rollout_id" not in body for body in network.bodies())


async def test_several_choices_are_one_call(make_lm: Make) -> None:
    two = completion("a")
    two["choices"].append(completion("b")["choices"][0])
    network = FakeTransport(response(200, two))
    assert await make_lm(network).acall("hi", n=2) == ["a", "b"]
    assert network.bodies()[0]["n"] == 2


async def test_never_more_calls_at_once_than_allowed(make_lm: Make) -> None:
    now, most = 0, 0

    class Counting(FakeTransport):
        async def post(self, *args: Any) -> Any:
            nonlocal now, most
            now += 1
            most = max(most, now)
            for _ in range(5):
                await asyncio.sleep(0)
            now -= 1
            return response()

    lm = make_lm(Counting(), max_concurrency=3)
    await asyncio.gather(*[lm.acall(f"question {i}") for i in range(20)])
    assert most == 3


def test_calls_from_plain_synchronous_code(make_lm: Make) -> None:
    assert make_lm()("hi") == ["Paris"]
