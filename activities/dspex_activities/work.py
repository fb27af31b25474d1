"""Do an activity's work on dspex's own event loop, send heartbeats meanwhile, and name its failures for Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dspex.bridge import on_engine
from dspex.errors import DSPyError, FailureKind, LMError, ProgramNotAvailableError, UsageError, classify
from dspex.execution.attempt import RetryPolicy
from dspex.temporal.contracts.optimize import SETUP_ERROR

T = TypeVar("T")

_HEARTBEAT_EVERY_S = 1.0
_UNEXPECTED_ATTEMPTS = 5
_ELSEWHERE_S = 0.1
_ELSEWHERE_AT_MOST_S = 2.0

RETRY_POLICY = RetryPolicy(max_seconds=10.0)
"""How long an activity waits out trouble itself; after that Temporal waits, and holds no slot of a worker for it."""


class CountsFinished(Protocol):
    """Something that knows how much of it is finished."""

    @property
    def finished(self) -> int: ...


class ChunkProgress:
    """How far an activity's work has come."""

    def __init__(self) -> None:
        self._what: CountsFinished | None = None

    def of(self, what: CountsFinished) -> None:
        """Report `what` in heartbeats from now on."""
        self._what = what

    @property
    def finished(self) -> int:
        return self._what.finished if self._what else 0


async def perform(work: Coroutine[Any, Any, T], progress: ChunkProgress | None = None) -> T:
    """Run `work` on the engine's loop; heartbeats say how many of its items are finished.

    The user's code runs over there, so that code which blocks its loop for a while does not silence the heartbeat.
    Cancellation reaches `work`; LM calls in flight are finished and kept all the same.
    """
    future = on_engine(work)
    try:
        while True:
            done, _ = await asyncio.wait([future], timeout=_HEARTBEAT_EVERY_S)
            if activity.info().heartbeat_timeout is not None:
                activity.heartbeat(progress.finished if progress else 0)
            if done:
                return future.result()
    except asyncio.CancelledError:
        future.cancel()
        raise
    except Exception as error:  # noqa: BLE001  # all of them are given a name that Temporal can act on
        raise failure(error, activity.info().attempt) from error.__cause__


def failure(error: Exception, attempt: int) -> Exception:
    """What Temporal is to make of `error`.

    Its message may end in a history, so it never quotes examples: the provider's and our own words only.
    """
    if isinstance(error, ApplicationError):
        return error
    if isinstance(error, ProgramNotAvailableError):
        # Another worker of this queue may have the code, now (so the first tries come soon) or later.
        wait = timedelta(seconds=min(_ELSEWHERE_S * attempt, _ELSEWHERE_AT_MOST_S))
        return ApplicationError(str(error), type="ProgramNotAvailable", next_retry_delay=wait)
    kind = classify(error)
    if isinstance(error, UsageError) or (isinstance(error, DSPyError) and kind is FailureKind.SETUP):
        return ApplicationError(str(error), type=SETUP_ERROR, non_retryable=True)
    if kind is FailureKind.INFRASTRUCTURE:
        return ApplicationError(
            str(error),
            type=type(error).__name__,
            next_retry_delay=_wait(error, attempt),
            category=ApplicationErrorCategory.BENIGN,
        )
    # Unforeseen: perhaps a fault of this host, so try elsewhere, but not for ever.
    return ApplicationError(
        f"{type(error).__name__}: {error}",
        type=type(error).__name__,
        next_retry_delay=_wait(error, attempt),
        non_retryable=attempt >= _UNEXPECTED_ATTEMPTS,
    )


def _wait(error: Exception, attempt: int) -> timedelta:
    """How long Temporal is to wait: as long as the provider asks, or longer with every attempt, up to a minute."""
    asked = error.retry_after if isinstance(error, LMError) else None
    return timedelta(seconds=asked or min(60.0, 2.0 ** min(attempt, 6)))
