"""Retries: after a rate limit, a failing server, a timeout or a broken connection, and after nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from dspex.clients.resilience.limiter import LONGEST_WAIT_SECONDS
from dspex.errors import LMError, LMRateLimitError, may_pass

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0


async def with_retries(attempt: Callable[[int], Awaitable[T]], num_retries: int) -> T:
    """Make tries until one succeeds or its failure cannot pass, and return the result.

    Waits are exponential (from 0.5 s to 20 s), with full jitter, and never shorter than the provider asked for. When an
    endpoint refuses call after call, the limiter waits instead, for all callers alike.

    Args:
        attempt: Makes one try; called with its number, from 1.
        num_retries: Tries after the first, at most.

    Raises:
        LMError: the last try's failure, or the first one that cannot pass.
    """
    try:
        return await attempt(1)
    except LMError as error:
        if not num_retries or not _worth_waiting(error):
            raise
        return await _again(attempt, error, num_retries)


async def _again(attempt: Callable[[int], Awaitable[T]], error: LMError, num_retries: int) -> T:
    """Go on after a first failure. Apart from `with_retries` so that a call that succeeds costs no tenacity."""
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    seen: LMError | None = error
    tries = AsyncRetrying(
        stop=stop_after_attempt(num_retries + 1),
        wait=_wait,
        retry=retry_if_exception(_worth_waiting),
        sleep=lambda seconds: rest(seconds),
        reraise=True,
    )
    async for one in tries:
        with one:
            if seen is not None:
                first, seen = seen, None
                raise first
            return await attempt(one.retry_state.attempt_number)
    raise AssertionError("tenacity ends with a result or an exception")


async def rest(seconds: float) -> None:
    """Wait between two tries."""
    await asyncio.sleep(seconds)


def _wait(state: RetryCallState) -> float:
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (state.attempt_number - 1))
    jitter = random.uniform(0, ceiling)  # not part of any result: only spreads the load
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, LMRateLimitError) and error.shared_wait:
        return 0.0  # the limiter has paused the whole endpoint for that long
    asked = getattr(error, "retry_after", None)
    return jitter if asked is None else asked + min(jitter, _FIRST_WAIT)


def _worth_waiting(error: BaseException) -> bool:
    if getattr(error, "final", False):
        return False
    return may_pass(error) and (getattr(error, "retry_after", None) or 0.0) <= LONGEST_WAIT_SECONDS
