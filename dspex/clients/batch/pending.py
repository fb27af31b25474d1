"""`PendingCalls`: the calls on one event loop that wait for batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.requests import paid_answer, provider_refusal
from dspex.clients.batch.routing import target_of
from dspex.clients.calls.call import FinishedCall
from dspex.errors import StoreError

if TYPE_CHECKING:
    from dspex.clients.batch.requests import BatchRequests
    from dspex.clients.batch.submitter import BatchSubmitter
    from dspex.clients.batch.wait_policy import BatchWaitPolicy
    from dspex.clients.calls.call import LMCall
    from dspex.clients.calls.scope import CallScope
    from dspex.store.records.batch import RequestState

logger = logging.getLogger(__name__)

_PAGE = 1000


@dataclass(slots=True, eq=False)
class _PendingCall:
    call: LMCall
    scope: CallScope | None
    future: asyncio.Future[FinishedCall | None]

    def give(self, finished: FinishedCall | None) -> None:
        if not self.future.done():
            self.future.set_result(finished)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class PendingCalls:
    """The calls on one event loop that wait for batches. A task submits and collects for as long as there are any.

    Attributes:
        requests: Where the calls are written down.
        submitter: Submits and collects their batches.
        policy: When to submit, and how often to look.
        show: Called with how the batches are doing, after each look.
    """

    requests: BatchRequests
    submitter: BatchSubmitter
    policy: BatchWaitPolicy
    show: Callable[[BatchProgress], None]
    _pending: dict[str, list[_PendingCall]] = field(default_factory=dict)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def wait(self, key: str, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """Wait until a batch has answered a request.

        Args:
            key: The key under which the request is written down.
            call: The request.
            scope: Where in a run the call belongs; its usage counts there. None outside of runs.

        Returns:
            The answer; None if the call must be made as an ordinary one.

        Raises:
            LMError: the provider refused the request, or the batch.
        """
        pending = _PendingCall(call, scope, asyncio.get_running_loop().create_future())
        self._pending.setdefault(key, []).append(pending)
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        try:
            return await pending.future
        finally:
            left = [one for one in self._pending.get(key, ()) if one is not pending]
            if left:
                self._pending[key] = left
            else:
                self._pending.pop(key, None)

    def end(self) -> None:
        """Cancel all that wait."""
        if self._task is not None:
            self._task.cancel()
        for calls in self._pending.values():
            for pending in calls:
                pending.future.cancel()

    async def _serve(self) -> None:
        try:
            await self._quiet()
            pause = self.policy.first_look
            while self._pending:
                progress = await self._advance()
                await self._hand_out()
                if not self._pending:
                    await self.requests.store.batches.leave(self.requests.owner)
                    return
                pause = self.policy.first_look if progress.moved else self.policy.next_look(pause)
                await self._look_again_after(pause)
        except Exception as error:  # noqa: BLE001  # it is raised where each call is awaited
            for calls in list(self._pending.values()):
                for pending in calls:
                    pending.fail(error)

    async def _advance(self) -> BatchProgress:
        try:
            await self.requests.ask_again(await self._taken_over())
            progress = await self.submitter.advance()
        except StoreError as error:
            logger.warning("The store does not answer; looking at the batches again soon: %s", error)
            return BatchProgress()
        self.show(progress)
        if progress.trouble:
            logger.info("Batches: %s", progress.trouble)
        return progress

    async def _taken_over(self) -> list[tuple[str, LMCall, CallScope | None]]:
        """The calls that another process has taken over: it may die before they are answered."""
        states = await self._states()
        return [
            (key, self._pending[key][0].call, self._pending[key][0].scope)
            for key, state in states.items()
            if state.owner != self.requests.owner and state.status != "refused" and key in self._pending
        ]

    async def _states(self) -> dict[str, RequestState]:
        found: dict[str, RequestState] = {}
        keys = list(self._pending)
        for start in range(0, len(keys), _PAGE):
            found |= await self.requests.store.batches.standing(keys[start : start + _PAGE])
        return found

    async def _look_again_after(self, seconds: float) -> None:
        """Wait; new calls are submitted as soon as no more come."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return
        await self._quiet()

    async def _quiet(self) -> None:
        """Wait until no new call has come for a while."""
        try:
            async with asyncio.timeout(self.policy.longest_quiet):
                while True:
                    self._came.clear()
                    await asyncio.wait_for(self._came.wait(), self.policy.quiet)
        except TimeoutError:
            return

    async def _hand_out(self) -> None:
        keys = list(self._pending)
        states = await self._states()
        for key in keys:
            state = states.get(key)
            if state is None:
                await self._answer(key)
            elif state.status == "refused":
                for pending in self._pending.get(key, ()):
                    pending.fail(provider_refusal(state, target_of(pending.call)))
            elif self.requests.is_exhausted(state):
                self._give_back(key)

    async def _answer(self, key: str) -> None:
        entry = await self.requests.store.ledger.lookup(key)
        if entry is None:
            # Another process took it over and gave up on batches for it: make the call.
            self._give_back(key)
            return
        for number, pending in enumerate(list(self._pending.get(key, ()))):
            # All who asked the same share one paid call.
            pending.give(paid_answer(entry, pending.scope) if number == 0 else FinishedCall(entry, paid=False))

    def _give_back(self, key: str) -> None:
        """Have the call made as an ordinary one."""
        for pending in self._pending.get(key, ()):
            pending.give(None)
