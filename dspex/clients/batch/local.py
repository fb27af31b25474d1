"""Batches for programs of this process, which wait in place for their answers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from dspex.clients.batch.check import check_batches
from dspex.clients.batch.credentials import Credentials
from dspex.clients.batch.pending import PendingCalls
from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.requests import BatchRequests
from dspex.clients.batch.submitter import BatchSubmitter
from dspex.clients.batch.wait_policy import BatchWaitPolicy as BatchWaitPolicy
from dspex.clients.cache.response_cache import CacheAsLedger
from dspex.clients.calls.batch_collector import collecting
from dspex.clients.calls.call import FinishedCall
from dspex.per_loop import PerLoop
from dspex.settings import settings
from dspex.store import Store

if TYPE_CHECKING:
    from dspex.clients.calls.call import LMCall
    from dspex.clients.calls.scope import CallScope

_DEFAULT_POLICY = BatchWaitPolicy()

ROWS_AT_ONCE = 10_000
"""Programs that wait at once for batches: with more of them, the rest begin when some are done."""


@contextmanager
def batch_api(
    *, patience: BatchWaitPolicy = _DEFAULT_POLICY, uncertain_seconds: float | None = None
) -> Iterator[LocalBatches]:
    """Answer the LM calls inside the block through the provider's batch API: at half the price, within a day.

    Calls that are made together are submitted together, so run many programs at once (`Evaluate`, `Parallel`,
    `asyncio.gather`): what depends on an answer is in the next batch. Calls answered before come from the ledger. If
    this process dies, the same calls made again find the batches that it left, and wait for them.

    Args:
        patience: When waiting calls are submitted, and how often their batches are looked at.
        uncertain_seconds: How long a batch may still appear at the provider after its creation was asked for and no
            answer came; by default a little longer than the time that the creation is given.

    Raises:
        LMConfigurationError: (where a call is made) the provider has no batch API that dspex knows. Nothing was sent.
    """
    batches = LocalBatches(patience, uncertain_seconds)
    with collecting(batches):
        try:
            yield batches
        finally:
            batches.close()


@asynccontextmanager
async def batches_checked() -> AsyncIterator[LocalBatches]:
    """Do what `batch_api` does, after checking that the provider of the configured LM has a batch API.

    Raises:
        LMConfigurationError: it has none; nothing was run.
    """
    if settings.lm is not None:
        await check_batches(settings.lm, Store.open(settings.store))
    with batch_api() as batches:
        yield batches


class LocalBatches:
    """Collects calls until no more come, submits them, and hands out their answers.

    Args:
        patience: When waiting calls are submitted, and how often their batches are looked at.
        uncertain_seconds: How long a batch may still appear at the provider after a creation without an answer. None:
            a little longer than the time that the creation is given.

    Attributes:
        progress: How the batches were doing at the last look.
    """

    def __init__(self, patience: BatchWaitPolicy, uncertain_seconds: float | None) -> None:
        self._policy = patience
        self._uncertain_seconds = uncertain_seconds
        self._owner = f"local:{uuid.uuid4().hex}"
        self._credentials = Credentials()
        self._loops: PerLoop[PendingCalls] = PerLoop(self._begin)
        self.progress = BatchProgress()

    async def answer(self, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """Wait for a batch to answer the call (`dspex.clients.calls.batch_collector.BatchCollector`).

        Args:
            call: The request.
            scope: Where in a run the call belongs; its usage counts there. None outside of runs.

        Returns:
            The answer; None if the call is to be made as an ordinary one, since batch after batch left it unanswered.

        Raises:
            LMError: the call cannot be made through a batch, or the provider refused it.
        """
        pending = self._loops.get()
        found = await pending.requests.ask(call, scope)
        if isinstance(found, FinishedCall):
            return found
        if pending.requests.is_exhausted(found):
            return None
        finished = await pending.wait(found.key, call, scope)
        if finished is not None and isinstance(call.ledger, CacheAsLedger):
            await call.ledger.record(finished.entry)
        return finished

    async def cancel(self) -> None:
        """Have the provider cancel the batches. Await it on the event loop on which the calls are made.

        What is done by then is collected when the same calls are made again.
        """
        await self._loops.get().submitter.cancel()

    def close(self) -> None:
        """Stop waiting. Batches that were submitted go on at the provider; see `cancel`."""
        for loop, pending in self._loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(pending.end)

    def _begin(self) -> PendingCalls:
        store = Store.open(settings.store)
        return PendingCalls(
            BatchRequests(store, self._owner, self._credentials, durable=False),
            BatchSubmitter(store, self._owner, self._credentials, uncertain_seconds=self._uncertain_seconds),
            self._policy,
            self._show,
        )

    def _show(self, progress: BatchProgress) -> None:
        self.progress = progress
