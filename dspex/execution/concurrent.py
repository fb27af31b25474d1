"""Run many programs at once and hear what became of each: the loop of `Evaluate` and of `Parallel`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from dspex.clients.calls.scope import CallScope, current_scope
from dspex.execution.attempt import FAULTS, Attempt, RetryPolicy, describe, patiently, scopes_for
from dspex.execution.pool import run_concurrently
from dspex.settings import settings

logger = logging.getLogger(__name__)

Try = Callable[[], Awaitable[Attempt]]
"""Runs one program once. It may be called again after trouble of the provider."""


@dataclass(frozen=True, slots=True)
class Together:
    """How programs are run together.

    `step` is their place in a run, `noun` what people call one of them; `limit` is how many are in flight (by default
    `settings.num_threads`).
    """

    step: str
    noun: str
    limit: int | None = None
    provide_traceback: bool | None = None
    patience: RetryPolicy = field(default_factory=RetryPolicy)

    async def outcomes(self, tries: Iterable[Try]) -> AsyncGenerator[tuple[int, Attempt], None]:
        """What became of each of `tries`, with its index, in the order in which they finish.

        A slow one holds up no other. What they cost is added to the call scope in force; each failure is logged. Use
        `contextlib.aclosing`: those in flight are cancelled when the caller stops listening.

        Raises:
            LMError, StoreError: the infrastructure failed for longer than `patience`, or the set-up is wrong.
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

    async def _one(self, index: int, once: Try, scope: CallScope) -> tuple[int, Attempt]:
        return index, await patiently(once, scope=scope, patience=self.patience)

    def _log(self, index: int, error: BaseException) -> None:
        told = settings.provide_traceback if self.provide_traceback is None else self.provide_traceback
        if told:
            details = "".join(traceback.format_exception(error))
            logger.error("Error for %s %d: %s\n%s", self.noun, index, describe(error), details)
        else:
            hint = "Set `provide_traceback=True` for traceback."
            logger.error("Error for %s %d: %s. %s", self.noun, index, describe(error), hint)


async def tried(call: Callable[[], Awaitable[object]]) -> Attempt:
    """Make `call` and hold on to what it gives, or to how it failed."""
    try:
        return Attempt(prediction=await call())
    except FAULTS as error:
        return Attempt(error=error)
