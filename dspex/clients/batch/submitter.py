"""`BatchSubmitter`: submits the batches of one owner, follows them, and takes their answers into the ledger.

Everything here may be broken off at any point and begun again by another process (see `submission`).
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from dspex.clients.batch.access import ATTEMPTS, BatchAccess
from dspex.clients.batch.collection import check_on
from dspex.clients.batch.credentials import Credentials
from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.submission import find, plan_batch, submit
from dspex.clients.batch.target import Target
from dspex.errors import (
    FailureKind,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMUnsupportedModelError,
    classify,
)

if TYPE_CHECKING:
    from dspex.store import Store
    from dspex.store.records.batch import Batch

logger = logging.getLogger(__name__)


class BatchSubmitter:
    """The batches of one owner in one store.

    Args:
        store: Where requests and batches are written down, and answers kept.
        owner: Whose batches they are: the start of a run, or a local evaluation.
        credentials: The keys for the providers; by default those in the environment.
        uncertain_seconds: How long a batch may still appear at the provider after its creation was asked for and no
            answer came; by default a little longer than the time that the creation is given.
        attempts: A request that so many batches have left unanswered is in no further one.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        credentials: Credentials | None = None,
        *,
        uncertain_seconds: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._access = BatchAccess(store.batches, owner, credentials or Credentials(), uncertain_seconds, attempts)
        self._batches = store.batches
        self._owner = owner

    async def check(self, target: Target) -> None:
        """Find out, before anything is paid for, that `target` has a batch API and accepts the key.

        Raises:
            LMConfigurationError: it has none.
            LMError: it cannot be reached, or refuses the key.
        """
        wire, http = self._access.open(target)
        try:
            await wire.check(http)
        except LMUnsupportedModelError as error:
            raise LMConfigurationError(
                f"{target.base} has no batch API that dspex knows ({error.message}). Leave out batch=True.",
                model=target.model,
            ) from None

    async def advance(self, *, submit: bool = True) -> BatchProgress:
        """Check on the batches under way, collect those that have ended, and submit the requests that wait.

        Args:
            submit: False to submit no new batch.

        Raises:
            LMError: the set-up is wrong. Failures that may pass are in the result's `trouble` instead.
        """
        progress = BatchProgress()
        for batch in await self._batches.in_progress(self._owner):
            progress += await _with_trouble(self._advance(batch), batch)
        return await self._submit_waiting(progress) if submit else progress

    async def cancel(self) -> BatchProgress:
        """Ask the provider to cancel the batches that no other owner waits for.

        Requests that the provider has dealt with by then can still be collected.
        """
        progress = BatchProgress()
        for batch in await self._batches.in_progress(self._owner):
            if await self._batches.others_wait(batch.id, self._owner) or batch.owner != self._owner:
                continue
            progress += await self._cancel(batch)
        await self._batches.leave(self._owner)
        return progress

    async def _advance(self, batch: Batch) -> BatchProgress:
        if batch.status != "intent":
            return await check_on(self._access, batch)
        await submit(self._access, batch)
        return BatchProgress(under_way=1, requests=batch.requests)

    async def _submit_waiting(self, progress: BatchProgress) -> BatchProgress:
        access = self._access
        while (target := await self._batches.first_target(self._owner, access.attempts)) is not None:
            batch, lacking = await plan_batch(access, target)
            if batch is not None:
                progress += await _with_trouble(self._advance(batch), batch)
            progress += BatchProgress(lacking=lacking)
            if batch is None or lacking or progress.held:  # held: the other batches would be held, too
                break
        return progress

    async def _cancel(self, batch: Batch) -> BatchProgress:
        if batch.status == "intent" and await find(self._access, batch) is None:
            await self._batches.end(batch.id, "void", error="cancelled before it was submitted", counts=False)
            return BatchProgress()
        sent = await self._batches.get(batch.id)
        if sent is None or sent.provider_id is None:
            return BatchProgress()
        wire, http = self._access.open(Target.parse(sent.target))
        try:
            await wire.cancel(http, sent)
        except LMInvalidRequestError as error:
            logger.info("Batch %s is over already: %s", sent.provider_id, error)
        return BatchProgress(under_way=1, requests=sent.requests, done=sent.done)


async def _with_trouble(advancing: Coroutine[Any, Any, BatchProgress], batch: Batch) -> BatchProgress:
    """The result of `advancing`; a failure that may pass is put into it instead of being raised."""
    try:
        return await advancing
    except LMError as error:
        if classify(error) is not FailureKind.INFRASTRUCTURE:
            raise
        held = int(batch.status == "intent")
        return BatchProgress(under_way=1, requests=batch.requests, done=batch.done, held=held, trouble=error.message)
