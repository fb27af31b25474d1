"""`BatchRequests`: the calls of one owner that batches are to answer, written down in the store."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.clients.batch.access import ATTEMPTS
from dspex.clients.batch.routing import target_of
from dspex.clients.batch.target import refuse_unnamed_key
from dspex.clients.batch.wires import batch_wire_of, wire_of
from dspex.clients.calls.call import FinishedCall, cost_upper_bound
from dspex.clients.calls.calling_predictor import calling_predictor
from dspex.clients.calls.claims import claimed
from dspex.clients.calls.scope import CallScope, Usage
from dspex.clients.http.transport import RawResponse
from dspex.errors import LMError
from dspex.store.records.batch import BatchRequest, RequestState
from dspex.store.records.budget import CostUpperBound, Payer
from dspex.store.records.ledger import LedgerEntry

if TYPE_CHECKING:
    from dspex.clients.batch.credentials import Credentials
    from dspex.clients.batch.target import Target
    from dspex.clients.calls.call import LMCall
    from dspex.store import Store

_GATHER_SECONDS = 0.01
"""How long a request waits for others to be written down with, in one transaction."""


class BatchRequests:
    """The calls of one owner that batches are to answer.

    Args:
        store: Where they are written down.
        owner: Who asks: the start of a run, or a local evaluation.
        credentials: Where the calls' keys are remembered.
        durable: Whether other processes will submit the batches, so that they must find the keys.
        attempts: Batches that may leave a call unanswered before it is made as an ordinary one.
    """

    def __init__(
        self, store: Store, owner: str, credentials: Credentials, *, durable: bool, attempts: int = ATTEMPTS
    ) -> None:
        self.store = store
        self.owner = owner
        self.credentials = credentials
        self.attempts = attempts
        self._durable = durable
        self._fresh: list[tuple[BatchRequest, asyncio.Future[RequestState]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def ask(self, call: LMCall, scope: CallScope | None) -> FinishedCall | RequestState:
        """Look a call up in the ledger, and write it down for a batch if it is not there.

        Args:
            call: The request.
            scope: Where in a run the call belongs; the run's budget pays for it. None outside of runs.

        Returns:
            The answer from the ledger, or the state of the request.

        Raises:
            LMError: the call cannot be made through a batch, or the provider has refused it.
            BudgetExceededError: the run's budget has no room for the call.
        """
        target = target_of(call)
        if self._durable:
            refuse_unnamed_key(target)
        self.credentials.remember(target, call)
        if call.key is None or call.ledger is None:
            return await self._written_down(call, scope, target, f"uncached-{uuid.uuid4().hex}")
        payer = None
        if scope is not None and scope.run_id is not None:
            payer = Payer(scope.run_id, lambda: batch_cost_upper_bound(call, target))
        hit = await claimed(call.ledger, call.key, payer, call.model)
        if hit is not None:
            return FinishedCall(hit.entry, paid=False)
        try:
            return await self._written_down(call, scope, target, call.key)
        finally:
            await call.ledger.release(call.key)

    async def ask_again(self, calls: Sequence[tuple[str, LMCall, CallScope | None]]) -> None:
        """Ask for calls that another owner has taken over: wait for the batch they are in, or take them back."""
        if calls:
            again = [_request(key, call, scope, target_of(call)) for key, call, scope in calls]
            await self.store.batches.ask(self.owner, again)

    async def entry(self, key: str) -> LedgerEntry:
        """Return the recorded answer to `key`. There must be one."""
        found = await self.store.ledger.lookup(key)
        assert found is not None
        return found

    def is_exhausted(self, state: RequestState) -> bool:
        """Tell whether the call is to be made as an ordinary one: batch after batch has left it unanswered."""
        return state.status == "waiting" and state.attempts >= self.attempts

    async def _written_down(
        self, call: LMCall, scope: CallScope | None, target: Target, key: str
    ) -> FinishedCall | RequestState:
        state = await self._write(_request(key, call, scope, target))
        if state.status == "answered":
            return FinishedCall(await self.entry(key), paid=False)
        if state.status == "refused":
            raise provider_refusal(state, target)
        return state

    async def _write(self, request: BatchRequest) -> RequestState:
        future: asyncio.Future[RequestState] = asyncio.get_running_loop().create_future()
        self._fresh.append((request, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        fresh, self._fresh, self._writing = self._fresh, [], None
        unique = {request.key: request for request, _ in fresh}
        try:
            states = await self.store.batches.ask(self.owner, list(unique.values()))
        except BaseException as error:  # noqa: BLE001  # it is raised where each is awaited
            for _, future in fresh:
                _settle(future, error=error)
            return
        for request, future in fresh:
            _settle(future, states[request.key])


def batch_cost_upper_bound(call: LMCall, target: Target) -> CostUpperBound:
    """Compute the most that a call can cost at the price of batches, in tokens and US dollars.

    Args:
        call: The request.
        target: Where its batch goes, which says the price.
    """
    most = cost_upper_bound(call)
    return CostUpperBound(most.tokens, None if most.usd is None else most.usd * batch_wire_of(target).price)


def provider_refusal(state: RequestState, target: Target) -> LMError:
    """Return the error of a request that the provider did not accept, in the provider's words.

    Args:
        state: The request, with the status and the body of the provider's answer.
        target: Where its batch went.
    """
    error = wire_of(target).error(RawResponse(state.error_status or 400, {}, state.error or b""))
    error.model = target.model
    return error


def paid_answer(entry: LedgerEntry, scope: CallScope | None) -> FinishedCall:
    """Return the answer that a batch has just brought, and count it in the usage of the scope that asked for it.

    Args:
        entry: The recorded answer.
        scope: Where in a run the call belongs. None outside of runs.
    """
    if scope is not None:
        scope.usage.add(Usage(1, 0, entry.prompt_tokens, entry.completion_tokens, entry.cost_usd or 0.0))
    return FinishedCall(entry, paid=True)


def _request(key: str, call: LMCall, scope: CallScope | None, target: Target) -> BatchRequest:
    run_id, predictor = (scope.run_id, calling_predictor(scope)) if scope is not None else (None, None)
    most = CostUpperBound(0, None) if run_id is None else batch_cost_upper_bound(call, target)
    return BatchRequest(key, target.text(), call.body, run_id, most, predictor)


def _settle(future: asyncio.Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
