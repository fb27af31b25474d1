"""Submitting batches, each at most once.

The store says what is meant to be submitted, and the provider is asked what it has before anything is submitted a
second time. So a process may die at any point, and another one goes on.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dspex.clients.batch.target import Target
from dspex.clients.batch.wires import batch_wire_of
from dspex.clients.cost.budget import refusal
from dspex.errors import (
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)

if TYPE_CHECKING:
    from dspex.clients.batch.access import BatchAccess
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.wire import BatchWire
    from dspex.store.records.batch import Batch

logger = logging.getLogger(__name__)

_UNCERTAIN = (LMServerError, LMTimeoutError, LMTransportError, LMUnexpectedError)
"""Failures after which a batch may have been created all the same."""

_PAGE = 1000
_LINE_OVERHEAD = 300
"""Bytes that a line of a batch has at most besides the request's body."""


async def plan_batch(access: BatchAccess, target: str) -> tuple[Batch | None, str]:
    """Write one batch down: as many of the owner's waiting requests as it may hold.

    Args:
        access: The owner's access to the store.
        target: Where the batch goes, as the store keeps it (`Target.text`).

    Returns:
        The batch, or None if no request is in it; and why the budget has no room for more, or an empty text.
    """
    wire = batch_wire_of(Target.parse(target))
    keys: list[str] = []
    size = 0
    for one in await access.batches.waiting(access.owner, target, access.attempts, wire.max_requests):
        size += one.size + _LINE_OVERHEAD
        if keys and size > wire.max_bytes:
            break
        keys.append(one.key)
    id = uuid.uuid4().hex
    planned = await access.batches.plan(id, access.owner, target, keys)
    lacking = planned.lacking
    why = str(refusal(lacking, Target.parse(target).model)) if lacking is not None else ""
    return (await access.batches.get(id) if planned.requests else None), why


async def submit(access: BatchAccess, batch: Batch) -> None:
    """Submit a batch that is written down, unless that has been done.

    Args:
        access: The owner's access to the store and the provider.
        batch: The batch.

    Raises:
        LMError: it was not submitted, or nobody knows yet whether it was.
    """
    target = Target.parse(batch.target)
    wire, http = access.open(target)
    if batch.sent_at is not None and await find(access, batch) is not None:
        return
    lines = [line async for line in _lines(access, batch, wire, target)]
    if batch.input_id is None:
        batch = await _uploaded(access, batch, await wire.upload(http, batch, lines))
    if not await access.batches.sending(batch.id, unless_since=time.time() - access.uncertain(wire)):
        raise _another_process(target)
    try:
        provider_id = await wire.create(http, batch, lines)
    except LMError as error:
        if not isinstance(error, _UNCERTAIN):
            await access.batches.not_sent(batch.id)
        raise await _rejected(access, batch, error) from None
    await _opened(access, batch, provider_id, wire, http)


async def find(access: BatchAccess, batch: Batch) -> str | None:
    """Return the provider's id of a batch, and look for it at the provider where a process died while it submitted.

    Args:
        access: The owner's access to the store and the provider.
        batch: The batch.

    Returns:
        None if the provider has no such batch.

    Raises:
        LMServerError: the provider does not list it, but it may still appear.
    """
    target = Target.parse(batch.target)
    wire, http = access.open(target)
    if batch.provider_id is not None:
        return batch.provider_id
    if batch.sent_at is None:
        return None
    candidates = await wire.find(http, batch)
    taken = await access.batches.known(candidates) if candidates else set()
    for provider_id in candidates:
        if provider_id not in taken and await access.batches.opened(batch.id, provider_id):
            logger.info("Found batch %s, which a process submitted that then died.", provider_id)
            return provider_id
    now = await access.batches.get(batch.id)
    if now is None or now.status != "intent":
        return now.provider_id if now is not None else None
    if now.sent_at is not None and time.time() - now.sent_at < access.uncertain(wire):
        raise _another_process(target)
    return None


async def _lines(access: BatchAccess, batch: Batch, wire: BatchWire, target: Target) -> AsyncIterator[bytes]:
    after = ""
    while page := await access.batches.bodies(batch.id, after, _PAGE):
        for key, body in page:
            yield wire.line(target, key, body)
        after = page[-1][0]


async def _uploaded(access: BatchAccess, batch: Batch, input_id: str | None) -> Batch:
    if input_id is None:
        return batch
    await access.batches.uploaded(batch.id, input_id)
    return await access.batches.get(batch.id) or batch


async def _opened(access: BatchAccess, batch: Batch, provider_id: str, wire: BatchWire, http: HttpClient) -> None:
    if await access.batches.opened(batch.id, provider_id):
        logger.info("Submitted %d requests as batch %s.", batch.requests, provider_id)
        return
    known = await access.batches.get(batch.id)
    if known is not None and known.provider_id == provider_id:
        return
    # A process that was taken for dead was not, and both have created one.
    logger.warning("Batch %s was submitted twice: %s is cancelled.", batch.id, provider_id)
    await wire.cancel(http, replace(batch, provider_id=provider_id))


async def _rejected(access: BatchAccess, batch: Batch, error: LMError) -> LMError:
    """The error to raise. A batch that the provider will never take ends the run, with the provider's words."""
    if isinstance(error, LMUnsupportedModelError) or not isinstance(error, LMInvalidRequestError):
        return error
    await access.batches.end(batch.id, "void", error=error.message, counts=False)
    return LMConfigurationError(f"The provider does not take the batch: {error.message}", model=error.model)


def _another_process(target: Target) -> LMServerError:
    return LMServerError(
        "A batch is being submitted by another process, or was when that died: waiting to see which.",
        model=target.model,
        retry_after=2.0,
    )
