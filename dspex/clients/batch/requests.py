"""What happens to a call that is to be answered by a batch, whoever waits for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.clients.batch.submission import ATTEMPTS
from dspex.clients.batch.target import KeyRing, Target, refuse_secret_of_this_process, target_of
from dspex.clients.batch.wires import batch_wire_of, wire_of
from dspex.clients.calls.calling_predictor import calling_predictor
from dspex.clients.calls.pipeline import FinishedCall, claimed
from dspex.clients.calls.scope import CallScope, Usage
from dspex.clients.cost.upper_bound import cost_upper_bound
from dspex.clients.http.transport import RawResponse
from dspex.errors import LMError
from dspex.store.batches import BatchRequest, RequestState
from dspex.store.budgets import CostUpperBound, Payer
from dspex.store.ledger import LedgerEntry

if TYPE_CHECKING:
    from dspex.clients.calls.pipeline import LMCall
    from dspex.store import Store

_TOGETHER_SECONDS = 0.01
"""How long a request waits for others to be written down with."""


class Collected:
    """The calls of one owner, written down as they come. `settle` says what is to become of each."""

    def __init__(self, store: Store, owner: str, keys: KeyRing, *, durable: bool, attempts: int = ATTEMPTS) -> None:
        self.store = store
        self.owner = owner
        self.keys = keys
        self.attempts = attempts
        self._durable = durable
        self._fresh: list[tuple[BatchRequest, asyncio.Future[RequestState]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def ask(self, call: LMCall, scope: CallScope | None) -> FinishedCall | RequestState:
        """The call's answer, if it is in the ledger; otherwise where it stands, now that it is written down.

        Raises:
            LMError: it cannot be made through a batch, or the provider has refused it.
        """
        target = target_of(call)
        if self._durable:
            refuse_secret_of_this_process(target)
        self.keys.keep(target, call)
        if call.key is None or call.ledger is None:
            return await self._written_down(call, scope, target, f"uncached-{uuid.uuid4().hex}")
        payer = None
        if scope is not None and scope.run_id is not None:
            payer = Payer(scope.run_id, lambda: most_in_batch(call, target))
        hit = await claimed(call.ledger, call.key, payer, call.model)
        if hit is not None:
            return FinishedCall(hit.entry, paid=False)
        try:
            return await self._written_down(call, scope, target, call.key)
        finally:
            await call.ledger.release(call.key)

    async def _written_down(
        self, call: LMCall, scope: CallScope | None, target: Target, key: str
    ) -> FinishedCall | RequestState:
        standing = await self._write(_request(key, call, scope, target))
        if standing.status == "answered":
            return FinishedCall(await self.entry(key), paid=False)
        if standing.status == "refused":
            raise refusal(standing, target)
        return standing

    async def ask_again(self, calls: Sequence[tuple[str, LMCall, CallScope | None]]) -> None:
        """Ask for calls that are somebody else's by now: wait for their batch, or have them back, if in none."""
        if calls:
            again = [_request(key, call, scope, target_of(call)) for key, call, scope in calls]
            await self.store.batches.ask(self.owner, again)

    async def entry(self, key: str) -> LedgerEntry:
        """The recorded answer to `key`, which there is."""
        found = await self.store.ledger.lookup(key)
        assert found is not None
        return found

    def has_had_enough(self, standing: RequestState) -> bool:
        """Whether the call is to be made as an ordinary one: batch after batch has left it unanswered."""
        return standing.status == "waiting" and standing.attempts >= self.attempts

    async def _write(self, request: BatchRequest) -> RequestState:
        future: asyncio.Future[RequestState] = asyncio.get_running_loop().create_future()
        self._fresh.append((request, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        await asyncio.sleep(_TOGETHER_SECONDS)
        fresh, self._fresh, self._writing = self._fresh, [], None
        unique = {request.key: request for request, _ in fresh}
        try:
            standing = await self.store.batches.ask(self.owner, list(unique.values()))
        except BaseException as error:  # noqa: BLE001  # it is raised where each is awaited
            for _, future in fresh:
                _settle(future, error=error)
            return
        for request, future in fresh:
            _settle(future, standing[request.key])


def _request(key: str, call: LMCall, scope: CallScope | None, target: Target) -> BatchRequest:
    run_id, predictor = (scope.run_id, calling_predictor(scope)) if scope is not None else (None, None)
    most = CostUpperBound(0, None) if run_id is None else most_in_batch(call, target)
    return BatchRequest(key, target.text(), call.body, run_id, most, predictor)


def most_in_batch(call: LMCall, target: Target) -> CostUpperBound:
    """The most that the call can come to at the price of batches."""
    most = cost_upper_bound(call)
    return CostUpperBound(most.tokens, None if most.usd is None else most.usd * batch_wire_of(target).price)


def refusal(standing: RequestState, target: Target) -> LMError:
    """What the provider said to a request that it did not accept."""
    error = wire_of(target).error(RawResponse(standing.error_status or 400, {}, standing.error or b""))
    error.model = target.model
    return error


def counted(entry: LedgerEntry, scope: CallScope | None) -> FinishedCall:
    """An answer that a batch has just brought, counted where it was asked."""
    if scope is not None:
        scope.usage.add(Usage(1, 0, entry.prompt_tokens, entry.completion_tokens, entry.cost_usd or 0.0))
    return FinishedCall(entry, paid=True)


def _settle(future: asyncio.Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
