"""Faults come at the rate asked for and follow from the seed and the request, never from the order of arrival."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dspex_practice import OptionError, PracticeOptions
from dspex_practice.api.dialect import Level, Levels
from dspex_practice.api.faults import FaultDecision, FaultKind, Faults
from dspex_practice.api.rate_limits import RateLimits
from dspex_practice.api.stats import Counts, Stats
from dspex_practice.model.errors import Reason, RefusedError

DIGESTS = [random.Random(i).randbytes(16) for i in range(4000)]


def test_errors_come_at_their_rate_and_in_their_proportion() -> None:
    faults = Faults(PracticeOptions(error_rate=0.4, malformed_rate=0.2, cut_rate=0.1, latency=1, jitter=2))
    decisions = [faults.decide(digest, 0) for digest in DIGESTS]
    counts = Counter(decision.refusal for decision in decisions)
    assert counts[None] == pytest.approx(2400, rel=0.1)
    assert counts[Reason.REQUESTS] == pytest.approx(800, rel=0.15)
    assert counts[Reason.SERVER] == pytest.approx(400, rel=0.2)
    assert counts[Reason.OVERLOADED] == pytest.approx(400, rel=0.2)
    assert sum(decision.malformed for decision in decisions) == pytest.approx(800, rel=0.15)
    assert sum(decision.fault is FaultKind.CUT for decision in decisions) == pytest.approx(400, rel=0.2)
    assert all(1 <= decision.delay <= 3 for decision in decisions)


def test_the_same_seed_brings_the_same_fates_in_any_order() -> None:
    options = PracticeOptions(error_rate=0.5, seed=3)
    forward = [Faults(options).decide(digest, 1) for digest in DIGESTS[:50]]
    backward = [Faults(options).decide(digest, 1) for digest in reversed(DIGESTS[:50])]
    assert forward == backward[::-1]
    assert forward != [Faults(PracticeOptions(error_rate=0.5, seed=4)).decide(digest, 1) for digest in DIGESTS[:50]]


def test_faults_of_bodies_stay_those_of_earlier_versions() -> None:
    faults = Faults(PracticeOptions(empty_rate=0.25, truncated_rate=0.25, wrong_type_rate=0.25, seed=3))
    found = [faults.decide(digest, 0).fault for digest in DIGESTS[:8]]
    empty, truncated, wrong_type = FaultKind.EMPTY, FaultKind.TRUNCATED, FaultKind.WRONG_TYPE
    assert found == [None, None, empty, truncated, empty, truncated, wrong_type, wrong_type]


def test_a_repeated_request_is_drawn_anew_but_stays_malformed_if_it_was() -> None:
    faults = Faults(PracticeOptions(error_rate=0.5, malformed_rate=0.5))
    for digest in DIGESTS[:20]:
        decisions = [faults.decide(digest, attempt) for attempt in range(40)]
        assert {decision.refusal for decision in decisions} > {None}
        assert len({decision.malformed for decision in decisions}) == 1


def test_without_faults_every_attempt_passes_at_once() -> None:
    assert Faults(PracticeOptions()).decide(b"x", 0) == FaultDecision()


def waits(limits: RateLimits, tokens: int = 0) -> float:
    """Seconds to wait; 0 if let through."""
    try:
        limits.admit(tokens)
    except RefusedError as refusal:
        return refusal.wait
    return 0.0


def test_rate_limit_lets_through_what_it_says_and_tells_how_long_to_wait() -> None:
    now = [0.0]
    limits = RateLimits(120, None, lambda: now[0])
    assert [waits(limits), waits(limits)] == [0, 0]
    assert waits(limits) == pytest.approx(0.5)
    assert limits.levels() == Levels(Level(120, 0, 1.0), None)
    now[0] = 0.5
    assert waits(limits) == 0
    now[0] = 60.0
    assert sum(waits(limits) == 0 for _ in range(10)) == 2


def test_tokens_a_minute_are_prompts_and_answers() -> None:
    now = [0.0]
    limits = RateLimits(None, 6000, lambda: now[0])
    assert waits(limits, 60) == 0
    limits.charge(140)  # an answer of more than was left: it is owed
    assert waits(limits, 50) == pytest.approx(1.5)
    now[0] = 1.0
    assert waits(limits, 50) == pytest.approx(0.5)
    now[0] = 1.5
    assert waits(limits, 50) == 0


def test_a_prompt_of_more_than_a_seconds_tokens_passes_when_the_bucket_is_full() -> None:
    now = [0.0]
    limits = RateLimits(None, 60, lambda: now[0])
    assert waits(limits, 10) == 0
    now[0] = 9.0
    assert waits(limits, 10) == pytest.approx(1.0)
    now[0] = 10.0
    assert waits(limits, 10) == 0


def test_harms_come_at_their_rates_and_one_at_a_time() -> None:
    rates = {"empty_rate": 0.1, "truncated_rate": 0.1, "wrong_type_rate": 0.1, "drip_rate": 0.1, "endless_rate": 0.1}
    faults = Faults(PracticeOptions(cut_rate=0.2, **rates))
    counts = Counter(faults.decide(digest, 0).fault for digest in DIGESTS)
    assert counts[FaultKind.CUT] == pytest.approx(800, rel=0.15)
    for fault in (FaultKind.EMPTY, FaultKind.TRUNCATED, FaultKind.WRONG_TYPE, FaultKind.DRIP, FaultKind.ENDLESS):
        assert counts[fault] == pytest.approx(320, rel=0.25)  # of what was not cut


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"port": -1},
        {"latency": -1},
        {"error_rate": 1.5},
        {"cut_rate": float("nan")},
        {"rpm": 0},
        {"retry_after": -0.1},
        {"tpm": 0},
        {"context": 0},
        {"batch_seconds": -1},
        {"endless_rate": 2},
        {"cut_rate": 0.6, "empty_rate": 0.6},
    ],
)
def test_wrong_options_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        PracticeOptions(**wrong)  # type: ignore[arg-type]


def test_only_answered_requests_make_duplicates() -> None:
    stats = Stats()
    assert [stats.record_attempt("chat", b"a", True), stats.record_attempt("chat", b"a", True)] == [0, 1]
    assert stats.duplicates == 0
    stats.record_answer("chat", b"a", True, 10, 2)
    stats.record_attempt("chat", b"a", True)
    stats.record_attempt("chat", b"b", True)
    report = stats.report()
    assert (report["duplicates"], report["distinct_requests"], report["prompt_tokens"]) == (1, 2, 10)


def test_each_endpoint_has_its_own_counts_and_only_paid_ones_make_the_totals() -> None:
    stats = Stats()
    for endpoint, paid in (("chat", True), ("messages", True), ("files", False)):
        stats.record_call(endpoint, paid)
        stats.record_answer(endpoint, endpoint.encode(), paid, 5, 1)
    stats.record_call("chat", True)
    stats.record_refusal("chat", True, "429 rpm")
    report = stats.report()
    assert (report["calls"], report["answered"], report["refused"], report["completion_tokens"]) == (3, 2, 1, 2)
    assert report["endpoints"]["files"] == {
        **Counts(calls=1, answered=1, prompt_tokens=5, completion_tokens=1).report()
    }
    assert report["endpoints"]["chat"]["refused"] == 1
    assert report["errors"] == {"429 rpm": 1}


def test_a_reset_keeps_what_is_in_flight() -> None:
    stats = Stats()
    stats.begin()
    stats.record_attempt("chat", b"a", True)
    stats.reset()
    assert stats.report() == {**Stats().report(), "in_flight": 1, "max_in_flight": 1}
