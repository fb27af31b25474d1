"""Seeing how a submitted batch is doing, and taking its answers into the ledger once it has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.target import Target
from dspex.clients.batch.wires import wire_of
from dspex.clients.calls.entry import ledger_entry
from dspex.clients.canonical.answer import usage_of
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.pricing import cost_usd
from dspex.clients.http.transport import RawResponse
from dspex.errors import FailureKind, LMConfigurationError, LMError, LMUnsupportedModelError, classify
from dspex.store.records.batch import Refused
from dspex.store.records.ledger import LedgerEntry

if TYPE_CHECKING:
    from dspex.clients.batch.access import BatchAccess
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.wire import BatchLine, BatchWire, PolledBatch
    from dspex.store.records.batch import Batch

logger = logging.getLogger(__name__)

_LINES_A_TRANSACTION = 500


async def check_on(access: BatchAccess, batch: Batch) -> BatchProgress:
    """Ask the provider how a submitted batch is doing, and collect its outcomes if it has ended.

    Args:
        access: The owner's access to the store and the provider.
        batch: The batch.

    Returns:
        What has become of it: under way, collected, or to be submitted again.

    Raises:
        LMConfigurationError: the provider does not take the batch, and never will.
        LMError: the provider cannot be asked.
    """
    wire, http = access.open(Target.parse(batch.target))
    try:
        polled = await wire.poll(http, batch)
    except LMUnsupportedModelError as error:  # 404: the provider has lost it, or deleted it
        again = await access.batches.end(batch.id, "void", error=error.message)
        return BatchProgress(again=again)
    if polled.status == "working":
        if time.time() - (batch.opened_at or batch.created_at) > wire.longest_seconds:
            return await _give_up(access, batch, wire, http)
        await access.batches.looked(batch.id, polled.done)
        return BatchProgress(under_way=1, requests=batch.requests, done=polled.done)
    if polled.status == "failed":
        return await _failed(access, batch, polled)
    return await _collect(access, batch, polled, wire, http)


async def _give_up(access: BatchAccess, batch: Batch, wire: BatchWire, http: HttpClient) -> BatchProgress:
    """Cancel a batch that the provider should have ended long ago."""
    await wire.cancel(http, batch)
    return BatchProgress(again=await access.batches.end(batch.id, "void", error="the provider did not end it"))


async def _failed(access: BatchAccess, batch: Batch, polled: PolledBatch) -> BatchProgress:
    again = await access.batches.end(batch.id, "void", error=polled.error, counts=False)
    if polled.transient:
        logger.info("Batch %s was turned away and is submitted again: %s", batch.provider_id, polled.error)
        return BatchProgress(again=again, held=1, trouble=polled.error)
    model = Target.parse(batch.target).model
    raise LMConfigurationError(f"The provider does not take the batch: {polled.error}", model=model)


async def _collect(
    access: BatchAccess, batch: Batch, polled: PolledBatch, wire: BatchWire, http: HttpClient
) -> BatchProgress:
    """Take in the results of a batch. Several processes may do so at once: the store takes each line once."""
    answered = refused = 0
    page: list[BatchLine] = []
    async for line in wire.results(http, batch, polled):
        page.append(line)
        if len(page) >= _LINES_A_TRANSACTION:
            new, no = await _settle(access, batch, page, wire)
            answered, refused, page = answered + new, refused + no, []
    new, no = await _settle(access, batch, page, wire)
    answered, refused = answered + new, refused + no
    again = await access.batches.end(batch.id, "done")
    logger.info("Collected batch %s: %d answers, %d refused, %d again.", batch.provider_id, answered, refused, again)
    await wire.clean_up(http, batch, polled)
    return BatchProgress(answered=answered, refused=refused, again=again)


async def _settle(access: BatchAccess, batch: Batch, page: Sequence[BatchLine], wire: BatchWire) -> tuple[int, int]:
    target = Target.parse(batch.target)
    seconds = time.time() - (batch.opened_at or batch.created_at)
    entries, refused = [], []
    for line in page:
        found = _read(line, target, wire.price, seconds)
        if isinstance(found, LedgerEntry):
            entries.append(found)
        elif found is not None:
            refused.append(found)
    if not entries and not refused:
        return 0, 0
    return await access.batches.settle(batch.id, entries, refused), len(refused)


def _read(line: BatchLine, target: Target, price_share: float, seconds: float) -> LedgerEntry | Refused | None:
    """The outcome of a request; None if it must be made again."""
    if line.status is None:
        return None
    wire = wire_of(target)
    try:
        if line.status not in (200, 201):
            raise wire.error(RawResponse(line.status, {}, line.body))
        reply = wire.decode(line.body)
    except LMError as error:
        if classify(error) is FailureKind.INFRASTRUCTURE:
            return None
        return Refused(line.key, line.status, line.body)
    usage = usage_of(reply)
    full = cost_usd(target.model, usage, target.price)
    return ledger_entry(
        line.key,
        target.model,
        line.body,
        reply,
        token_counts(usage),
        cost_usd=None if full is None else full * price_share,
        latency_s=seconds,
    )
