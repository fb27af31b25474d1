"""Budgets: shared by all owners of a store, never passed, settled by what calls really came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from entries import entry
from processes import end, line, start

from dspex.store import BudgetExhausted, CostUpperBound, Held, Hit, Ledger, Payer, Spending, Store, Won

Another = Callable[[], Store]

RUN = "run"


def payer(usd: float | None = 0.25, tokens: int = 15, run: str = RUN) -> Payer:
    return Payer(run, lambda: CostUpperBound(tokens, usd))


async def begin(ledger: Ledger, key: str, payer: Payer) -> Hit | Won | Held | BudgetExhausted:
    """Claim a call and set aside what it may cost; give the claim up if there is no room for that."""
    found = await ledger.claim(key, payer.run_id)
    if isinstance(found, Won) and found.limited:
        refused = await ledger.reserve(key, payer)
        if refused is not None:
            await ledger.release(key)
            return refused
        return Won()
    return found


async def used(store: Store) -> tuple[float, int, int]:
    spending = await store.budgets.get(RUN)
    assert spending is not None
    return spending.used_usd, spending.used_tokens, spending.used_calls


async def test_run_without_a_budget_is_not_asked_what_a_call_may_cost(store: Store) -> None:
    def never() -> CostUpperBound:
        raise AssertionError

    assert await store.ledger.claim("key", RUN) == Won()
    assert await store.ledger.reserve("key", Payer(RUN, never)) is None
    assert await store.budgets.get(RUN) is None


@pytest.mark.parametrize(
    ("limits", "rest"), [({"usd": 1.0}, "usd"), ({"tokens": 60}, "tokens"), ({"calls": 4}, "calls")]
)
async def test_calls_are_refused_when_the_next_could_pass_the_budget(
    store: Store, limits: dict[str, float], rest: str
) -> None:
    await store.budgets.set(RUN, **limits)  # type: ignore[arg-type]
    for number in range(4):
        assert await begin(store.ledger, f"key {number}", payer()) == Won()
        await store.ledger.record(entry(f"key {number}"))
    refused = await begin(store.ledger, "one more", payer())
    assert isinstance(refused, BudgetExhausted)
    assert refused.spending.lacking(refused.most) == rest
    assert await used(store) == (1.0, 60, 4)
    assert await begin(store.ledger, "key 0", payer()) == Hit(entry("key 0")), "what is paid is there for nothing"


async def test_call_that_finds_no_room_waits_while_others_are_under_way(store: Store, another: Another) -> None:
    await store.budgets.set(RUN, usd=0.3)
    elsewhere = another().ledger
    assert await begin(elsewhere, "under way", payer()) == Won()
    assert await begin(store.ledger, "waits", payer()) == Held()
    await elsewhere.record(entry("under way", cost_usd=0.01))
    assert await begin(store.ledger, "waits", payer()) == Won()
    assert await used(store) == (0.26, 30, 2)


async def test_released_call_gives_its_room_back(store: Store) -> None:
    await store.budgets.set(RUN, calls=1)
    await begin(store.ledger, "fails", payer())
    await store.ledger.release("fails")
    assert await used(store) == (0.0, 0, 0)
    assert await begin(store.ledger, "works", payer()) == Won()


async def test_sum_of_64_calls_at_once_from_several_owners_stays_within(store: Store, another: Another) -> None:
    await store.budgets.set(RUN, usd=2.5, calls=100)
    owners = [store.ledger, *(another().ledger for _ in range(3))]

    async def call(number: int) -> bool:
        ledger = owners[number % 4]
        while True:
            answer = await begin(ledger, f"key {number}", payer())
            if answer == Won():
                await ledger.record(entry(f"key {number}", cost_usd=0.1))
                return True
            if isinstance(answer, BudgetExhausted):
                return False
            await asyncio.sleep(0.002)

    made = await asyncio.gather(*(call(number) for number in range(64)))
    # Each may cost 0.25: the 24th starts when 23 x 0.1 are paid (2.3 + 0.25 is too much), so 23 are made.
    assert sum(made) == 23
    assert await used(store) == (2.3, 23 * 15, 23)
    assert (await store.ledger.bill(RUN)).cost_usd == 2.3


async def test_raised_budget_goes_on(store: Store) -> None:
    await store.budgets.set(RUN, calls=1)
    await begin(store.ledger, "a", payer())
    await store.ledger.record(entry("a"))
    assert isinstance(await begin(store.ledger, "b", payer()), BudgetExhausted)
    raised = await store.budgets.set(RUN, calls=2, usd=5.0)
    assert raised == Spending(usd=5.0, tokens=None, calls=2, used_usd=0.25, used_tokens=15, used_calls=1)
    assert await begin(store.ledger, "b", payer()) == Won()


async def test_first_budget_of_a_run_counts_what_it_has_paid_already(store: Store) -> None:
    await store.ledger.record(entry("before"))
    await store.ledger.record(entry("another run's", run_id="other"))
    assert await store.budgets.set(RUN, usd=1.0) == Spending(1.0, None, None, 0.25, 15, 1)


async def test_call_that_was_claimed_before_there_was_a_budget_is_counted_when_it_is_paid(store: Store) -> None:
    await begin(store.ledger, "early", payer())
    await store.budgets.set(RUN, usd=1.0)
    await store.ledger.record(entry("early"))
    assert await used(store) == (0.25, 15, 1)


async def test_unpriced_model_is_refused_by_a_budget_in_dollars_alone(store: Store) -> None:
    await store.budgets.set(RUN, calls=3)
    assert await begin(store.ledger, "a", payer(usd=None)) == Won()
    await store.budgets.set(RUN, usd=3.0)
    refused = await begin(store.ledger, "b", payer(usd=None))
    assert isinstance(refused, BudgetExhausted), "waiting for the first call would not give it a price"
    assert refused.most.usd is None


async def test_answer_that_does_not_say_what_it_cost_uses_what_was_set_aside(store: Store) -> None:
    await store.budgets.set(RUN, usd=1.0)
    await begin(store.ledger, "a", payer(usd=0.4, tokens=77))
    await store.ledger.record(entry("a", cost_usd=None, prompt_tokens=0, completion_tokens=0))
    assert await used(store) == (0.4, 77, 1)


async def test_same_record_sent_twice_is_counted_once_and_a_second_payment_twice(
    store: Store, another: Another
) -> None:
    await store.budgets.set(RUN, usd=9.0)
    await begin(store.ledger, "a", payer())
    await store.ledger.record(entry("a"))
    await another().ledger.record(entry("a"))
    assert await used(store) == (0.25, 15, 1)
    await another().ledger.record(entry("a", response=b"paid again"))
    assert await used(store) == (0.5, 30, 2)
    assert (await store.ledger.bill(RUN)).repeated == 1


async def test_calls_of_a_killed_process_stay_used_because_nobody_knows_what_it_paid(store: Store, url: str) -> None:
    await store.budgets.set(RUN, usd=1.0)
    process = start("spender.py", url, "3")
    try:
        assert line(process) == "claimed"
    finally:
        end(process)
    assert await used(store) == (0.75, 45, 3)

    async def answer() -> Held | BudgetExhausted | Hit | Won:
        while True:
            found = await begin(store.ledger, "key 0", payer(usd=0.3))
            if found != Held():
                return found
            await asyncio.sleep(0.05)

    assert isinstance(await answer(), BudgetExhausted), "0.75 may have been paid, and 0.3 more would be too much"
    await store.budgets.set(RUN, usd=2.0)
    assert await answer() == Won()
    await store.ledger.record(entry("key 0", cost_usd=0.1))
    used_usd, _, used_calls = await used(store)
    assert used_usd == 0.7, "two lost calls of 0.25, and one that is now taken to have cost as much as its repetition"
    assert used_calls == 4


async def test_run_elsewhere_has_a_budget_of_its_own(store: Store) -> None:
    await store.budgets.set(RUN, calls=0)
    assert isinstance(await begin(store.ledger, "a", payer()), BudgetExhausted)
    assert await begin(store.ledger, "a", payer(run="other")) == Won()


def test_spending_in_words() -> None:
    assert str(Spending(2.0, None, 10, 1.5, 99, 3)) == "$1.5000 of $2.0000, 3 of 10 calls"
