"""How fast an endpoint accepts calls: found out from its refusals, as TCP's congestion control finds a network's speed.

The limiter is a token bucket (`_credit` tokens, refilled at `rate` calls a second, a call takes one) whose rate follows
additive increase, multiplicative decrease:

1. *Slow start.* At first there is no rate. The bucket holds `FIRST_CALLS` and fills with every answer and moment.
2. *First refusals.* The rate becomes half of what the endpoint accepted lately. It then grows fast (it doubles in about
   a second) until the endpoint refuses again, which shows its limit.
3. *Following.* At each further refusal the rate becomes a little less (`_CAUTION`) than what the endpoint accepted
   lately. In between it grows slowly: by about a fiftieth a second, more the longer there is no refusal.
4. *Noise.* A share of refusals that stays the same at a clearly lower rate is not about the rate (an endpoint that
   refuses one call in ten whatever the load). Up to `_MOST_NOISE` it is tolerated.
5. *Quotas.* Refusals in a row that ask for a long rest mean that a quota for a stretch of time is used up: the rate
   then spreads calls over such a stretch.

Workers on several hosts each follow what the endpoint accepts from them, and converge. Algorithm: D. Chiu, R. Jain,
"Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989), with the additions above.
"""

from __future__ import annotations

import math
from collections.abc import Callable

FIRST_CALLS = 6
"""Calls sent at once to an endpoint about which nothing is known."""

_FREE_PER_SECOND = 40.0
"""Tokens a second while there is no rate."""
_FREE_PER_ANSWER = 1.1
"""Tokens for each answer while there is no rate: more than one, so that the calls in flight grow."""
_FREE = 1024.0
"""Tokens that are as good as no limit."""

_MEMORY_SECONDS = 2.0
"""The time constant of the average of what the endpoint accepted."""

_SLACK = 0.03
"""A share of refusals this much above the known noise is still noise."""
_MOST_NOISE = 0.25
"""The largest share of refusals that may count as noise."""
_FEW = 20
"""Calls at a low rate before their refusals say anything about noise."""
_LOW = 0.85
"""A rate below this share of the best one counts as low."""
_FORGET = 0.97
"""The best rate fades by this factor at each decrease."""
_IN_A_ROW = 3
"""Refusals in a row that are about the rate, whatever the noise."""
_IN_A_ROW_IN_NOISE = 6
"""The same, where there is noise."""

_CAUTION = 0.95
"""The new rate, as a share of what the endpoint accepted."""
_SEARCH_STEP = 0.7
"""Added to the rate at each call while searching: it doubles in a second."""
_STEP = 0.02
"""Added to the rate at each call afterwards: a fiftieth of it in a second, and more the longer all goes well."""
_QUOTA_STEP = 0.001
"""The same, where a quota for a stretch of time is known."""
_STEP_DOUBLES_SECONDS = 3.0
"""Without a refusal the step doubles after this time, trebles after twice that, and so on."""
_SLOWEST = 0.5
"""Calls a second at least: an endpoint is probed every two seconds."""
_SLOWEST_OF_QUOTA = 0.02
"""The same under a quota: every 50 seconds."""
_LONG_REST_SECONDS = 2.0
"""A refusal that asks for this long a rest is about a quota."""


class AdaptiveRateLimiter:
    """Says when the next call may go to one endpoint. See this module for the algorithm.

    `sent` counts a call and returns its number, which comes back with its outcome: the outcome of a call that was sent
    before the rate last changed says nothing about the new rate.

    Args:
        now: A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rate: float | None = None
        self._limit: float | None = None
        self._credit = float(FIRST_CALLS)
        self._filled_at = self._began = self._rest_until = now()
        self._taken = _Average(now)
        self._searching = True
        self._noise = self._best = 0.0
        self._low_sent = self._low_refused = 0
        self._step = _STEP
        self._period = self._in_a_row = 0
        self._quota_began, self._quota_taken = self._began, 0
        self._start_period()

    @property
    def rate(self) -> float | None:
        """Calls a second, or None while there is no limit."""
        return self._rate

    @property
    def resting(self) -> float:
        """Seconds of rest that are left."""
        return max(self._rest_until - self._now(), 0.0)

    def limit(self, per_second: float | None) -> None:
        """Never go faster than `per_second` calls a second, a limit that the user knows; None for no such limit."""
        self._limit = per_second

    def rest(self, seconds: float) -> None:
        """Let no call go for `seconds`."""
        self._rest_until = max(self._rest_until, self._now() + seconds)

    def wait(self) -> float:
        """Return the seconds until a call may go; 0.0 for now."""
        self._fill()
        if (rest := self._rest_until - self._now()) > 0:
            return rest
        if self._credit >= 1.0 - 1e-9:
            return 0.0
        self._short = True
        return (1.0 - self._credit) / self._speed()

    def sent(self) -> int:
        """Count a call that goes now. Returns its number, for `refused`."""
        self._fill()
        if self._rate is not None and self._short:
            self._rate += _SEARCH_STEP if self._searching else self._step * self._acceleration()
        self._short = False
        self._credit -= 1.0
        self._sent += 1
        if self._is_low():
            self._low_sent += 1
        self._quota_taken += 1
        self._taken.add(1.0)
        return self._period

    def answered(self) -> None:
        """Note that the endpoint accepted a call."""
        if self._rate is None and self._limit is None:
            self._credit = min(self._credit + _FREE_PER_ANSWER, _FREE)
        self._in_a_row = 0

    def announced(self, calls_left: float) -> None:
        """Note how many calls the endpoint would accept now, by its own account.

        At none, the limit is found without a refusal.
        """
        if self._rate is None:
            self._credit = min(self._credit, calls_left)
            if calls_left < 1.0:
                self._slow_down()
        elif calls_left < 1.0:
            self._searching = self._short = False
            self._credit = min(self._credit, 0.0)

    def refused(self, number: int, retry_after: float = 0.0) -> None:
        """Note that the endpoint refused a call, and slow down if refusals are no longer mere noise.

        Args:
            number: The call's number, from `sent`. A call of an earlier period changes no rate any more.
            retry_after: Seconds of rest that the endpoint asked for; 0 if it named none.
        """
        self._taken.add(-1.0)
        self._quota_taken -= 1
        self._in_a_row += 1
        many = self._in_a_row >= (_IN_A_ROW_IN_NOISE if self._noise else _IN_A_ROW)
        if many:
            self.rest(retry_after)
        if number != self._period:
            return
        self._refused += 1
        if self._is_low():
            self._low_refused += 1
        share = self._refused / self._sent
        if not many and (self._refused < 2 or share <= self._noise + _SLACK):
            return
        if many and retry_after >= _LONG_REST_SECONDS:
            self._spread_over(retry_after)
        elif self._learn_noise():
            self._searching = True
            self._start_period()
        else:
            self._slow_down()

    def _fill(self) -> None:
        at = self._now()
        most = _FREE if self._rate is None and self._limit is None else 1.0
        kept = self._credit if self._limit is None else min(self._credit, 1.0)
        self._credit = max(kept, min(self._credit + (at - self._filled_at) * self._speed(), most))
        self._filled_at = at

    def _speed(self) -> float:
        found = (_FREE_PER_SECOND if self._limit is None else math.inf) if self._rate is None else self._rate
        return found if self._limit is None else min(found, self._limit)

    def _acceleration(self) -> float:
        """How much faster than usual to grow: the last refusal is long ago."""
        return 1.0 + (self._now() - self._period_began) / _STEP_DOUBLES_SECONDS

    def _is_low(self) -> bool:
        return self._rate is not None and self._rate < _LOW * self._best

    def _learn_noise(self) -> bool:
        """Whether refusals turn out not to be about the rate: they come as often when it is well below what the
        endpoint accepted before, and not too often."""
        if self._low_sent < _FEW:
            return False
        share, self._low_sent, self._low_refused = self._low_refused / self._low_sent, 0, 0
        if not self._noise + _SLACK < share <= _MOST_NOISE:
            self._noise = min(self._noise, share)
            return False
        self._noise = share
        return True

    def _slow_down(self) -> None:
        first = self._rate is None
        elapsed = self._now() - self._began
        taken = self._taken.per_second() if elapsed > 1.0 else self._taken.total()
        rate = taken / 2 if self._rate is None else min(taken, self._rate)
        if not first:  # the first one counts a burst
            self._best = max(self._best * _FORGET, rate)
        self._searching = first
        self._step = _STEP
        self._set(max(rate * _CAUTION, _SLOWEST))

    def _spread_over(self, rest: float) -> None:
        """A quota for a stretch of time is used up: spread calls over all of such a stretch from now on."""
        elapsed = self._now() - self._quota_began + rest
        self._searching, self._step = False, _QUOTA_STEP
        self._set(max(self._quota_taken / elapsed, _SLOWEST_OF_QUOTA))
        self._quota_began, self._quota_taken = self._now() + rest, 0

    def _set(self, rate: float) -> None:
        self._rate = rate
        self._credit = min(self._credit, 0.0)
        self._start_period()

    def _start_period(self) -> None:
        self._period += 1
        self._period_rate = self._rate or 0.0
        self._period_began = self._now()
        self._sent = self._refused = 0
        self._short = False


class _Average:
    """Events a second, lately: each counts for less the longer ago it was."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sum = 0.0
        self._at = self._began = now()

    def add(self, count: float) -> None:
        self._decay()
        self._sum += count

    def total(self) -> float:
        self._decay()
        return max(self._sum, 0.0)

    def per_second(self) -> float:
        self._decay()
        whole = 1.0 - math.exp(-(self._at - self._began) / _MEMORY_SECONDS)
        return max(self._sum, 0.0) / (_MEMORY_SECONDS * max(whole, 1e-3))

    def _decay(self) -> None:
        at = self._now()
        self._sum *= math.exp(-(at - self._at) / _MEMORY_SECONDS)
        self._at = at
