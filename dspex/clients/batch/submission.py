"""Submitting batches, seeing how they do, and taking their answers into the ledger.

Everything here may be broken off at any point and begun again by another process: the store says what is meant to be
submitted, and the provider is asked what it has got before anything is submitted a second time.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dspex.clients.batch.http import Http
from dspex.clients.batch.target import KeyRing, Target
from dspex.clients.batch.wire import BatchLine, BatchWire, Look
from dspex.clients.batch.wires import batch_wire_of, wire_of
from dspex.clients.canonical.answer import stopped_because, usage_of
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.budget import refusal
from dspex.clients.cost.pricing import cost_usd
from dspex.clients.http.transport import RawResponse
from dspex.errors import (
    FailureKind,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedModelError,
    classify,
)
from dspex.store.batches import Batch, Refused
from dspex.store.ledger import LedgerEntry

if TYPE_CHECKING:
    from dspex.store import Store

logger = logging.getLogger(__name__)

_UNCERTAIN = (LMServerError, LMTimeoutError, LMTransportError, LMUnexpectedError)
"""Failures after which a batch may have been created all the same."""

ATTEMPTS = 3
"""Batches that a request may be in without being answered; after that it is made as an ordinary call."""

_PAGE = 1000
_SETTLE = 500
_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Tended:
    """How the batches of an owner are doing.

    `under_way` of them are not over; their `requests` are so many, of which the provider has dealt with `done`.
    `answered`, `refused` and `again` are what was collected just now; `held` are batches that could not be submitted
    for the time being, for the reason in `trouble`.
    """

    under_way: int = 0
    requests: int = 0
    done: int = 0
    answered: int = 0
    refused: int = 0
    again: int = 0
    held: int = 0
    trouble: str = ""
    lacking: str = ""
    """Why some requests are not submitted: the run's budget has no room for them, as things are."""

    def __add__(self, other: Tended) -> Tended:
        return Tended(
            under_way=self.under_way + other.under_way,
            requests=self.requests + other.requests,
            done=self.done + other.done,
            answered=self.answered + other.answered,
            refused=self.refused + other.refused,
            again=self.again + other.again,
            held=self.held + other.held,
            trouble=self.trouble or other.trouble,
            lacking=self.lacking or other.lacking,
        )


class BatchSubmitter:
    """The batches of one owner (the start of a run, or a local evaluation) in one store.

    `uncertain_seconds` is how long after the creation of a batch was asked for, and nothing was heard, it may still
    appear at the provider; by default a little longer than the time that the creation is given. A request that
    `attempts` batches have left unanswered is in no further one.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        keys: KeyRing | None = None,
        *,
        uncertain_seconds: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._store = store
        self._batches = store.batches
        self._owner = owner
        self._keys = keys or KeyRing()
        self._uncertain_seconds = uncertain_seconds
        self._attempts = attempts

    async def check(self, target: Target) -> None:
        """Find out, before anything is paid for, that `target` has a batch API and lets us in.

        Raises:
            LMConfigurationError: it has none.
            LMError: it cannot be reached, or refuses the key.
        """
        wire, http = self._talk(target)
        try:
            await wire.check(http)
        except LMUnsupportedModelError as error:
            raise LMConfigurationError(
                f"{target.base} has no batch API that dspex knows ({error.message}). Leave out batch=True.",
                model=target.model,
            ) from None

    async def tend(self, *, submit: bool = True) -> Tended:
        """Look at the batches under way, collect those that are over, and submit what waits.

        Raises:
            LMError: the set-up is wrong. Trouble that may pass is told in the result.
        """
        sum_ = Tended()
        for batch in await self._batches.under_way(self._owner):
            sum_ += await _told(self._tend(batch), batch)
        while submit and (target := await self._batches.first_target(self._owner, self._attempts)) is not None:
            new, lacking = await self._intend(target)
            if new is not None:
                sum_ += await _told(self._tend(new), new)
            if lacking:
                sum_ += Tended(lacking=lacking)
            if new is None or lacking:
                break
            if sum_.held:
                break  # not now: the rest need not try either
        return sum_

    async def cancel(self) -> Tended:
        """Ask the provider to cancel what nobody else waits for. What is done by then can be collected still."""
        sum_ = Tended()
        for batch in await self._batches.under_way(self._owner):
            if await self._batches.others_wait(batch.id, self._owner) or batch.owner != self._owner:
                continue
            if batch.status == "intent" and await self._found(batch) is None:
                await self._batches.end(batch.id, "void", error="cancelled before it was submitted", counts=False)
                continue
            sent = await self._batches.get(batch.id)
            if sent is not None and sent.provider_id is not None:
                wire, http = self._talk(Target.parse(sent.target))
                try:
                    await wire.cancel(http, sent)
                except LMInvalidRequestError as error:
                    logger.info("Batch %s is over already: %s", sent.provider_id, error)
                sum_ += Tended(under_way=1, requests=sent.requests, done=sent.done)
        await self._batches.leave(self._owner)
        return sum_

    # -- submitting

    async def _intend(self, target: str) -> tuple[Batch | None, str]:
        """Write one batch down: as many of the waiting requests as it may hold. Also says what a budget lacks."""
        wire = batch_wire_of(Target.parse(target))
        keys: list[str] = []
        size = 0
        for one in await self._batches.waiting(self._owner, target, self._attempts, wire.max_requests):
            size += one.size + 300
            if keys and size > wire.max_bytes:
                break
            keys.append(one.key)
        id = uuid.uuid4().hex
        intended = await self._batches.intend(id, self._owner, target, keys)
        lacking = intended.lacking
        why = str(refusal(lacking, Target.parse(target).model)) if lacking is not None else ""
        return (await self._batches.get(id) if intended.requests else None), why

    async def _send(self, batch: Batch) -> None:
        """Submit a batch that is written down, unless that has been done.

        Raises:
            LMError: it was not, or it is not known whether it was.
        """
        target = Target.parse(batch.target)
        wire, http = self._talk(target)
        if batch.sent_at is not None and await self._found(batch) is not None:
            return
        lines = [line async for line in self._lines(batch, wire, target)]
        if batch.input_id is None:
            batch = await self._uploaded(batch, await wire.upload(http, batch, lines))
        if not await self._batches.sending(batch.id, unless_since=time.time() - self._uncertain(wire)):
            raise _somebody_else(batch, target)
        try:
            provider_id = await wire.create(http, batch, lines)
        except LMError as error:
            if not isinstance(error, _UNCERTAIN):
                await self._batches.not_sent(batch.id)
            raise await self._not_taken(batch, error) from None
        await self._opened(batch, provider_id, wire, http)

    async def _uploaded(self, batch: Batch, input_id: str | None) -> Batch:
        if input_id is None:
            return batch
        await self._batches.uploaded(batch.id, input_id)
        return await self._batches.get(batch.id) or batch

    async def _opened(self, batch: Batch, provider_id: str, wire: BatchWire, http: Http) -> None:
        if await self._batches.opened(batch.id, provider_id):
            logger.info("Submitted %d requests as batch %s.", batch.requests, provider_id)
            return
        known = await self._batches.get(batch.id)
        if known is not None and known.provider_id == provider_id:
            return
        # A process that was taken for dead was not, and both have created one.
        logger.warning("Batch %s was submitted twice: %s is cancelled.", batch.id, provider_id)
        await wire.cancel(http, replace(batch, provider_id=provider_id))

    async def _not_taken(self, batch: Batch, error: LMError) -> LMError:
        """A batch that the provider will never take ends the run, with the provider's words."""
        if isinstance(error, LMUnsupportedModelError) or not isinstance(error, LMInvalidRequestError):
            return error
        await self._batches.end(batch.id, "void", error=error.message, counts=False)
        return LMConfigurationError(f"The provider does not take the batch: {error.message}", model=error.model)

    async def _found(self, batch: Batch) -> str | None:
        """The provider's name of a batch whose creation was asked for by a process that then died.

        Raises:
            LMServerError: it is not there, but may still appear.
        """
        target = Target.parse(batch.target)
        wire, http = self._talk(target)
        if batch.provider_id is not None:
            return batch.provider_id
        if batch.sent_at is None:
            return None
        candidates = await wire.find(http, batch)
        taken = await self._batches.known(candidates) if candidates else set()
        for provider_id in candidates:
            if provider_id not in taken and await self._batches.opened(batch.id, provider_id):
                logger.info("Found batch %s, which a process submitted that then died.", provider_id)
                return provider_id
        now = await self._batches.get(batch.id)
        if now is None or now.status != "intent":
            return now.provider_id if now is not None else None
        if now.sent_at is not None and time.time() - now.sent_at < self._uncertain(wire):
            raise _somebody_else(batch, target)
        return None

    async def _lines(self, batch: Batch, wire: BatchWire, target: Target) -> AsyncIterator[bytes]:
        after = ""
        while page := await self._batches.bodies(batch.id, after, _PAGE):
            for key, body in page:
                yield wire.line(target, key, body)
            after = page[-1][0]

    # -- collecting

    async def _tend(self, batch: Batch) -> Tended:
        if batch.status == "intent":
            await self._send(batch)
            return Tended(under_way=1, requests=batch.requests)
        wire, http = self._talk(Target.parse(batch.target))
        try:
            look = await wire.look(http, batch)
        except LMUnsupportedModelError as error:  # 404: the provider has lost it, or deleted it
            again = await self._batches.end(batch.id, "void", error=error.message)
            return Tended(again=again)
        if look.progress == "working":
            if time.time() - (batch.opened_at or batch.created_at) > wire.longest_seconds:
                return await self._given_up(batch, wire, http)
            await self._batches.looked(batch.id, look.done)
            return Tended(under_way=1, requests=batch.requests, done=look.done)
        if look.progress == "failed":
            return await self._failed(batch, look)
        return await self._collect(batch, look, wire, http)

    async def _given_up(self, batch: Batch, wire: BatchWire, http: Http) -> Tended:
        """A batch that the provider should have ended, one way or the other, long ago."""
        await wire.cancel(http, batch)
        return Tended(again=await self._batches.end(batch.id, "void", error="the provider did not end it"))

    async def _failed(self, batch: Batch, look: Look) -> Tended:
        again = await self._batches.end(batch.id, "void", error=look.error, counts=False)
        if look.passing:
            logger.info("Batch %s was turned away and is submitted again: %s", batch.provider_id, look.error)
            return Tended(again=again, held=1, trouble=look.error)
        model = Target.parse(batch.target).model
        raise LMConfigurationError(f"The provider does not take the batch: {look.error}", model=model)

    async def _collect(self, batch: Batch, look: Look, wire: BatchWire, http: Http) -> Tended:
        """Take in what came of a batch; whoever is faster at the same line has it."""
        answered = refused = seen = 0
        page: list[BatchLine] = []
        async for line in wire.results(http, batch, look):
            page.append(line)
            seen += 1
            if len(page) >= _SETTLE:
                new, no = await self._settle(batch, page, wire)
                answered, refused, page = answered + new, refused + no, []
        new, no = await self._settle(batch, page, wire)
        answered, refused = answered + new, refused + no
        again = await self._batches.end(batch.id, "done")
        logger.info(
            "Collected batch %s: %d answers, %d refused, %d again.", batch.provider_id, answered, refused, again
        )
        await wire.tidy(http, batch, look)
        return Tended(answered=answered, refused=refused, again=again)

    async def _settle(self, batch: Batch, page: Sequence[BatchLine], wire: BatchWire) -> tuple[int, int]:
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
        return await self._batches.settle(batch.id, entries, refused), len(refused)

    # -- talking

    def _talk(self, target: Target) -> tuple[BatchWire, Http]:
        http = Http(target, wire_of(target), self._keys.key(target), self._keys.transport(target))
        return batch_wire_of(target), http

    def _uncertain(self, wire: BatchWire) -> float:
        return wire.create_seconds + _MARGIN_SECONDS if self._uncertain_seconds is None else self._uncertain_seconds


async def _told(tending: Coroutine[Any, Any, Tended], batch: Batch) -> Tended:
    """What came of `tending`; trouble that may pass is told, not raised."""
    try:
        return await tending
    except LMError as error:
        if classify(error) is not FailureKind.INFRASTRUCTURE:
            raise
        held = int(batch.status == "intent")
        return Tended(under_way=1, requests=batch.requests, done=batch.done, held=held, trouble=error.message)


def _read(line: BatchLine, target: Target, share: float, seconds: float) -> LedgerEntry | Refused | None:
    """What became of a request; None if it is to be made again."""
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
    tokens = token_counts(usage)
    full = cost_usd(target.model, usage, target.price)
    return LedgerEntry(
        key=line.key,
        model=target.model,
        response=line.body,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cost_usd=None if full is None else full * share,
        latency_s=seconds,
        run_id=None,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        reasoning_tokens=tokens.reasoning,
        outcome=stopped_because(reply),
    )


def _somebody_else(batch: Batch, target: Target) -> LMServerError:
    return LMServerError(
        "A batch is being submitted by another process, or was when that died: waiting to see which.",
        model=target.model,
        retry_after=2.0,
    )
