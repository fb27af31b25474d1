"""The pace against simulated endpoints, in simulated time: each turns calls away by another rule."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dspex.clients.resilience.adaptive_rate import FIRST_CALLS, AdaptiveRateLimiter
from dspex.clients.resilience.rate_limit_headers import calls_left

Rule = Callable[[float], float]
"""Whether a call at a time is taken (0.0), or after how many seconds to come again."""


def bucket(rate: float, size: float) -> Rule:
    """A token bucket of `size`, filled with `rate` tokens a second."""
    tokens, at = size, 0.0

    def rule(now: float) -> float:
        nonlocal tokens, at
        tokens, at = min(size, tokens + (now - at) * rate), now
        if tokens >= 1.0:
            tokens -= 1.0
            return 0.0
        return (1.0 - tokens) / rate

    return rule


def window(count: int, seconds: float) -> Rule:
    """At most `count` calls in any stretch of `seconds`."""
    taken: list[float] = []

    def rule(now: float) -> float:
        taken[:] = [each for each in taken if each > now - seconds]
        if len(taken) < count:
            taken.append(now)
            return 0.0
        return taken[0] + seconds - now

    return rule


def calendar(count: int, seconds: float) -> Rule:
    """At most `count` calls from one full `seconds` to the next."""
    period, taken = -1, 0

    def rule(now: float) -> float:
        nonlocal period, taken
        if int(now / seconds) != period:
            period, taken = int(now / seconds), 0
        taken += 1
        return 0.0 if taken <= count else (period + 1) * seconds - now

    return rule


def whatever_the_load(share: float) -> Rule:
    dice = random.Random(1)
    return lambda now: 0.05 if dice.random() < share else 0.0


@dataclass
class Came:
    """What became of some calls."""

    seconds: float = 0.0
    answered: int = 0
    refused: int = 0

    @property
    def share_refused(self) -> float:
        return self.refused / (self.answered + self.refused)

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def simulate(rule: Rule, calls: int, *, latency: float = 0.05, workers: int = 1, wanted: int = 64) -> Came:
    """Make `calls` calls, each worker as many at once as its pace lets it and at most `wanted`."""
    now, came, order, dice = 0.0, Came(), itertools.count(), random.Random(2)
    paces = [AdaptiveRateLimiter(lambda: now) for _ in range(workers)]
    todo, active, alarm = [calls // workers] * workers, [0] * workers, [-1.0] * workers
    events: list[tuple[float, int, int, str, tuple[float, int]]] = []

    def at(when: float, worker: int, what: str, outcome: tuple[float, int] = (0.0, 0)) -> None:
        heapq.heappush(events, (when, next(order), worker, what, outcome))

    for worker in range(workers):
        at(0.0, worker, "try")
    while events:
        now, _, worker, what, (rest, number) = heapq.heappop(events)
        pace = paces[worker]
        if what == "answer":
            active[worker] -= 1
            if rest:
                came.refused += 1
                pace.refused(number, rest)
                at(now + rest + dice.random() / 2, worker, "again")
            else:
                came.answered, came.seconds = came.answered + 1, now
                pace.answered()
        elif what == "again":
            todo[worker] += 1
        while todo[worker] and active[worker] < wanted:
            if pause := pace.wait():
                if alarm[worker] <= now:
                    alarm[worker] = now + pause + 1e-6
                    at(alarm[worker], worker, "try")
                break
            number, todo[worker], active[worker] = pace.sent(), todo[worker] - 1, active[worker] + 1
            rest = rule(now)
            at(now + (0.005 if rest else latency), worker, "answer", (rest, number))
    return came


TEN_A_SECOND = {
    "bucket of 10": lambda: bucket(10, 10),
    "bucket of 1": lambda: bucket(10, 1),
    "sliding window": lambda: window(10, 1.0),
    "calendar seconds": lambda: calendar(10, 1.0),
}


@pytest.mark.parametrize("latency", [0.05, 1.0])
@pytest.mark.parametrize("kind", TEN_A_SECOND)
def test_of_64_wanted_an_endpoint_for_10_a_second_gets_10_and_refuses_few(kind: str, latency: float) -> None:
    came = simulate(TEN_A_SECOND[kind](), 200, latency=latency)
    assert came.answered == 200
    assert came.share_refused < 0.1
    assert came.per_second > 7.0


@pytest.mark.parametrize("rate", [10, 100, 500])
def test_a_long_run_uses_what_the_endpoint_gives(rate: int) -> None:
    came = simulate(bucket(rate, max(rate / 5, 1)), 60 * rate)
    assert came.per_second > 0.8 * rate
    assert came.share_refused < 0.1


def test_workers_that_know_nothing_of_each_other_share_an_endpoint_without_a_storm() -> None:
    came = simulate(bucket(10, 10), 1000, workers=4)
    assert came.per_second > 8.0
    assert came.share_refused < 0.2


@pytest.mark.parametrize("rule", [window(600, 60.0), calendar(600, 60.0)])
def test_a_quota_a_minute_is_used_up_and_then_kept_to(rule: Rule) -> None:
    came = simulate(rule, 2000)
    assert came.per_second > 8.0
    assert came.share_refused < 0.1


def test_an_endpoint_that_refuses_one_in_ten_whatever_the_load_is_not_slowed_down_for_good() -> None:
    came = simulate(whatever_the_load(0.1), 20_000)
    assert came.per_second > 200


def test_an_endpoint_without_a_limit_soon_gets_all_that_is_wanted() -> None:
    came = simulate(whatever_the_load(0.0), 1000)
    assert came.refused == 0
    assert came.seconds < 2.5  # 0.8 with all 64 from the start


def test_the_first_calls_are_few() -> None:
    pace = AdaptiveRateLimiter(lambda: 0.0)
    sent = 0
    while not pace.wait():
        pace.sent()
        sent += 1
    assert sent == FIRST_CALLS


def test_refusals_of_calls_sent_before_the_pace_changed_change_it_no_more() -> None:
    pace = AdaptiveRateLimiter(lambda: 0.0)
    numbers = [pace.sent() for _ in range(FIRST_CALLS)]
    for number in numbers:
        pace.refused(number)
    rate = pace.rate
    assert rate is not None
    pace.refused(numbers[0])
    assert pace.rate == rate


def test_an_endpoint_that_tells_what_is_left_need_not_refuse_to_be_understood() -> None:
    now = 0.0
    pace = AdaptiveRateLimiter(lambda: now)
    for left in (3.0, 2.0, 1.0, 0.0):
        assert not pace.wait()
        pace.sent()
        now += 0.05
        pace.answered()
        pace.announced(left)
    assert pace.rate is not None
    assert pace.wait()


@pytest.mark.parametrize(
    ("headers", "tokens_a_call", "left"),
    [
        ({"x-ratelimit-remaining-requests": "9"}, 100.0, 9.0),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "250"}, 100.0, 2.5),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "250"}, 0.0, 9.0),
        ({"anthropic-ratelimit-requests-remaining": "4", "anthropic-ratelimit-tokens-remaining": "90"}, 30.0, 3.0),
        ({"x-ratelimit-remaining-requests": "many"}, 100.0, None),
        ({}, 100.0, None),
    ],
)
def test_what_is_left_is_read_from_the_headers(
    headers: dict[str, str], tokens_a_call: float, left: float | None
) -> None:
    assert calls_left(headers, tokens_a_call) == left


def test_a_known_limit_is_kept_from_the_first_call_on() -> None:
    now = 0.0
    pace = AdaptiveRateLimiter(lambda: now)
    pace.limit(10.0)
    sent = []
    while now < 2.0:
        if pause := pace.wait():
            now += pause + 1e-9
        else:
            pace.sent()
            pace.answered()
            sent.append(now)
    assert 20 <= len(sent) <= 21
    assert all(later - earlier > 0.099 for earlier, later in itertools.pairwise(sent))
