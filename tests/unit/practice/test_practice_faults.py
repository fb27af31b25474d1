"""Faults come at the rate asked for and follow from the seed and the request, never from the order of arrival."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dspex.errors import UsageError
from dspex.practice import PracticeOptions
from dspex.practice.faults import Faults, RateLimit
from dspex.practice.stats import Stats

DIGESTS = [random.Random(i).randbytes(16) for i in range(4000)]


def test_errors_come_at_their_rate_and_in_their_proportion() -> None:
    faults = Faults(PracticeOptions(error_rate=0.4, malformed_rate=0.2, cut_rate=0.1, latency=1, jitter=2))
    fates = [faults.fate(digest, 0) for digest in DIGESTS]
    counts = Counter(fate.status for fate in fates)
    assert counts[200] == pytest.approx(2400, rel=0.1)
    assert counts[429] == pytest.approx(800, rel=0.15)
    assert counts[500] == pytest.approx(400, rel=0.2)
    assert counts[503] == pytest.approx(400, rel=0.2)
    assert sum(fate.malformed for fate in fates) == pytest.approx(800, rel=0.15)
    assert sum(fate.cut for fate in fates) == pytest.approx(400, rel=0.2)
    assert all(1 <= fate.delay <= 3 for fate in fates)


def test_the_same_seed_brings_the_same_fates_in_any_order() -> None:
    options = PracticeOptions(error_rate=0.5, seed=3)
    forward = [Faults(options).fate(digest, 1) for digest in DIGESTS[:50]]
    backward = [Faults(options).fate(digest, 1) for digest in reversed(DIGESTS[:50])]
    assert forward == backward[::-1]
    assert forward != [Faults(PracticeOptions(error_rate=0.5, seed=4)).fate(digest, 1) for digest in DIGESTS[:50]]


def test_a_repeated_request_is_drawn_anew_but_stays_malformed_if_it_was() -> None:
    faults = Faults(PracticeOptions(error_rate=0.5, malformed_rate=0.5))
    for digest in DIGESTS[:20]:
        fates = [faults.fate(digest, attempt) for attempt in range(40)]
        assert {fate.status for fate in fates} > {200}
        assert len({fate.malformed for fate in fates}) == 1


def test_without_faults_every_attempt_passes_at_once() -> None:
    fate = Faults(PracticeOptions()).fate(b"x", 0)
    assert (fate.delay, fate.status, fate.malformed, fate.cut) == (0, 200, False, False)


def test_rate_limit_lets_through_what_it_says_and_tells_how_long_to_wait() -> None:
    now = [0.0]
    limit = RateLimit(120, lambda: now[0])
    assert [limit.admit(), limit.admit()] == [0, 0]
    assert limit.admit() == pytest.approx(0.5)
    assert limit.headers()["x-ratelimit-limit-requests"] == "120"
    assert limit.headers()["x-ratelimit-remaining-requests"] == "0"
    now[0] = 0.5
    assert limit.admit() == 0
    now[0] = 60.0
    assert sum(limit.admit() == 0 for _ in range(10)) == 2


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
    ],
)
def test_wrong_options_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PracticeOptions(**wrong)  # type: ignore[arg-type]


def test_only_answered_requests_make_duplicates() -> None:
    stats = Stats()
    assert [stats.saw(b"a"), stats.saw(b"a")] == [0, 1]
    assert stats.duplicates == 0
    stats.gave(b"a", 10, 2)
    stats.saw(b"a")
    stats.saw(b"b")
    report = stats.report()
    assert (report["duplicates"], report["distinct_requests"], report["prompt_tokens"]) == (1, 2, 10)


def test_a_reset_keeps_what_is_in_flight() -> None:
    stats = Stats()
    stats.begin()
    stats.saw(b"a")
    stats.reset()
    assert stats.report() == {**Stats().report(), "in_flight": 1, "max_in_flight": 1}
