from __future__ import annotations

import pytest

from dspex.clients.resilience.circuit_breaker import FAILURES, FIRST_SECONDS, LONGEST_SECONDS, CircuitBreaker
from dspex.errors import LMServerError


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker("http://127.0.0.1", clock)
    for _ in range(FAILURES):
        breaker.admit()
        breaker.failed()
    return breaker


def test_failures_among_answers_do_not_open_it(clock: Clock) -> None:
    breaker = CircuitBreaker("it", clock)
    for _ in range(5 * FAILURES):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()
    breaker.admit()
    assert breaker.state == "closed"


def test_failures_in_a_row_open_it_and_say_for_how_long(clock: Clock) -> None:
    breaker = opened(clock)
    clock.at = 0.5
    with pytest.raises(LMServerError, match=f"127.0.0.1 has failed {FAILURES} times in a row") as raised:
        breaker.admit()
    assert raised.value.retry_after == FIRST_SECONDS - 0.5
    assert breaker.state == "open"


def test_when_the_time_is_up_one_call_tries_and_its_answer_closes_it(clock: Clock) -> None:
    breaker = opened(clock)
    clock.at = FIRST_SECONDS
    assert breaker.state == "half-open"
    breaker.admit()
    with pytest.raises(LMServerError):
        breaker.admit()
    breaker.succeeded()
    breaker.admit()
    assert breaker.state == "closed"


def test_each_failed_trial_doubles_the_time_up_to_a_minute(clock: Clock) -> None:
    breaker = opened(clock)
    waits, at = [], FIRST_SECONDS
    for _ in range(8):
        clock.at = at
        breaker.admit()
        breaker.failed()
        with pytest.raises(LMServerError) as raised:
            breaker.admit()
        waits.append(raised.value.retry_after)
        at += raised.value.retry_after or 0.0
    assert waits == [4.0, 8.0, 16.0, 32.0, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_calls_sent_before_it_opened_do_not_make_it_wait_longer(clock: Clock) -> None:
    breaker = opened(clock)
    clock.at = 1.5
    for _ in range(50):
        breaker.failed()
    clock.at = FIRST_SECONDS
    breaker.admit()


def test_a_trial_that_was_cancelled_lets_the_next_one_try(clock: Clock) -> None:
    breaker = opened(clock)
    clock.at = FIRST_SECONDS
    breaker.admit()
    breaker.abandoned()
    breaker.admit()
