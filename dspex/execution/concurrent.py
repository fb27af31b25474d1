"""Run many programs at once and collect what becomes of each: the loop of `Evaluate` and of `Parallel`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from dspex.clients.calls.scope import CallScope, current_scope
from dspex.execution.attempt import PROGRAM_ERRORS, Attempt, RetryPolicy, attempt_with_retries, describe, scopes_for
from dspex.execution.pool import run_concurrently
from dspex.settings import settings

logger = logging.getLogger(__name__)

AttemptOnce = Callable[[], Awaitable[Attempt]]
"""Runs one program once. It may be called again after trouble of the provider."""


@dataclass(frozen=True, slots=True)
class ConcurrentAttempts:
    """Attempts that are made at the same time.

    Args:
        step: Their place in a run, as in ``"evaluate"``.
        noun: What people call one of them, as in ``"example"``.
        limit: How many are in flight at once; by default `settings.num_threads`.
        provide_traceback: Whether to log tracebacks; by default `settings.provide_traceback`.
        retry_policy: How long to wait out trouble of the infrastructure.
    """

    step: str
    noun: str
    limit: int | None = None
    provide_traceback: bool | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)

    async def outcomes(self, tries: Iterable[AttemptOnce]) -> AsyncGenerator[tuple[int, Attempt], None]:
        """Yield what became of each of `tries`, with its index, in the order in which they finish.

        A slow one holds up no other. What they cost is added to the current call scope; each failure is logged. Use
        `contextlib.aclosing`: those in flight are cancelled when the caller stops listening.

        Raises:
            LMError, StoreError: the infrastructure failed for longer than `retry_policy`, or the set-up is wrong.
        """
        outer, scope_of = current_scope(), scopes_for(self.step)
        jobs = (partial(self._one, index, once, scope_of(index)) for index, once in enumerate(tries))
        async with aclosing(run_concurrently(jobs, self.limit or settings.num_threads)) as finished:
            async for index, outcome in finished:
                if outer is not None:
                    outer.usage.add(outcome.usage)
                if outcome.error is not None:
                    self._log(index, outcome.error)
                yield index, outcome

    async def _one(self, index: int, once: AttemptOnce, scope: CallScope) -> tuple[int, Attempt]:
        return index, await attempt_with_retries(once, scope=scope, retry_policy=self.retry_policy)

    def _log(self, index: int, error: BaseException) -> None:
        with_traceback = settings.provide_traceback if self.provide_traceback is None else self.provide_traceback
        if with_traceback:
            details = "".join(traceback.format_exception(error))
            logger.error("Error for %s %d: %s\n%s", self.noun, index, describe(error), details)
        else:
            hint = "Set `provide_traceback=True` for traceback."
            logger.error("Error for %s %d: %s. %s", self.noun, index, describe(error), hint)


async def attempt_call(call: Callable[[], Awaitable[object]]) -> Attempt:
    """Make `call` and hold on to what it gives, or to how it failed."""
    try:
        return Attempt(prediction=await call())
    except PROGRAM_ERRORS as error:
        return Attempt(error=error)
