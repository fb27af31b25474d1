"""Batches for programs that run in this process, and wait for their answers where they are."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.clients.batch.check import check_batches
from dspex.clients.batch.requests import Collected, counted, refusal
from dspex.clients.batch.submission import BatchSubmitter, Tended
from dspex.clients.batch.target import KeyRing, target_of
from dspex.clients.cache.response_cache import CacheAsLedger
from dspex.clients.calls.batch_collector import collecting
from dspex.clients.calls.pipeline import FinishedCall
from dspex.errors import StoreError
from dspex.per_loop import PerLoop
from dspex.settings import settings
from dspex.store import Store
from dspex.store.batches import RequestState

if TYPE_CHECKING:
    from dspex.clients.calls.pipeline import LMCall
    from dspex.clients.calls.scope import CallScope

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 10_000
"""Programs that wait at once for batches: with more of them, the rest begin when some are done."""

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class BatchWaitPolicy:
    """Seconds. `quiet`: without a new call, until what has come is submitted; `longest_quiet`: at the most, when calls
    keep coming. `first_look` and `longest_look`: between two looks at a batch, growing from one to the other."""

    quiet: float = 1.0
    longest_quiet: float = 60.0
    first_look: float = 5.0
    longest_look: float = 120.0
    growth: float = 1.5

    def next_look(self, seconds: float) -> float:
        return min(seconds * self.growth, self.longest_look)


@contextmanager
def batch_api(
    *, patience: BatchWaitPolicy = BatchWaitPolicy(), uncertain_seconds: float | None = None
) -> Iterator[LocalBatches]:
    """Answer the LM calls inside the block through the provider's batch API: at half the price, within a day.

    Calls that are made together are submitted together, so run many programs at once (`Evaluate`, `Parallel`,
    `asyncio.gather`): what depends on an answer is in the next batch. Calls answered before come from the ledger. If
    this process dies, the same calls made again find the batches that it left, and wait for them.

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
    """As `batch_api`, when the LM in force is known to have one.

    Raises:
        LMConfigurationError: it has none; nothing was run.
    """
    if settings.lm is not None:
        await check_batches(settings.lm, Store.open(settings.store))
    with batch_api() as batches:
        yield batches


class LocalBatches:
    """Collects calls until no more come, submits them, and hands their answers out."""

    def __init__(self, patience: BatchWaitPolicy, uncertain_seconds: float | None) -> None:
        self._patience = patience
        self._uncertain_seconds = uncertain_seconds
        self._owner = f"local:{uuid.uuid4().hex}"
        self._keys = KeyRing()
        self._loops: PerLoop[_Waiters] = PerLoop(self._begin)
        self.tended = Tended()
        """How the batches were doing at the last look."""

    async def answer(self, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """See `dspex.clients.calls.batch_collector.BatchCollector`."""
        waiters = self._loops.get()
        standing = await waiters.collected.ask(call, scope)
        if isinstance(standing, FinishedCall):
            return standing
        if waiters.collected.has_had_enough(standing):
            return None
        finished = await waiters.wait(standing.key, call, scope)
        if finished is not None and isinstance(call.ledger, CacheAsLedger):
            await call.ledger.record(finished.entry)
        return finished

    async def cancel(self) -> None:
        """Have the provider cancel the batches: to be awaited where the calls are made.

        What is done by then is collected when the same calls are made again.
        """
        await self._loops.get().desk.cancel()

    def close(self) -> None:
        """Wait for nothing any more. What is submitted stays so; see `cancel`."""
        for loop, waiters in self._loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(waiters.end)

    def _begin(self) -> _Waiters:
        store = Store.open(settings.store)
        return _Waiters(
            Collected(store, self._owner, self._keys, durable=False),
            BatchSubmitter(store, self._owner, self._keys, uncertain_seconds=self._uncertain_seconds),
            self._patience,
            self,
        )


@dataclass(slots=True, eq=False)
class _Waiter:
    call: LMCall
    scope: CallScope | None
    place: asyncio.Future[FinishedCall | None]


@dataclass(slots=True, eq=False)
class _Waiters:
    """Those who wait on one event loop."""

    collected: Collected
    desk: BatchSubmitter
    patience: BatchWaitPolicy
    batches: LocalBatches
    _waiting: dict[str, list[_Waiter]] = field(default_factory=dict)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def wait(self, key: str, call: LMCall, scope: CallScope | None) -> FinishedCall | None:
        """The answer to `key`, when a batch has brought it; None if none does."""
        waiter = _Waiter(call, scope, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, []).append(waiter)
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        try:
            return await waiter.place
        finally:
            left = [one for one in self._waiting.get(key, ()) if one is not waiter]
            if left:
                self._waiting[key] = left
            else:
                self._waiting.pop(key, None)

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.place.cancel()

    async def _serve(self) -> None:
        """Submit and collect for as long as somebody waits."""
        try:
            await self._quiet()
            pause = self.patience.first_look
            while self._waiting:
                tended = await self._tend()
                await self._hand_out()
                if not self._waiting:
                    await self.collected.store.batches.leave(self.collected.owner)
                    return
                moved = tended.answered or tended.refused or tended.again
                pause = self.patience.first_look if moved else self.patience.next_look(pause)
                await self._look_again_after(pause)
        except Exception as error:  # noqa: BLE001  # it is raised where each call is waited for
            for waiters in list(self._waiting.values()):
                for waiter in waiters:
                    if not waiter.place.done():
                        waiter.place.set_exception(error)

    async def _tend(self) -> Tended:
        try:
            await self.collected.ask_again(await self._others())
            tended = await self.desk.tend()
        except StoreError as error:
            logger.warning("The store does not answer; looking at the batches again soon: %s", error)
            return Tended()
        self.batches.tended = tended
        if tended.trouble:
            logger.info("Batches: %s", tended.trouble)
        return tended

    async def _others(self) -> list[tuple[str, LMCall, CallScope | None]]:
        """The calls that another process has taken over, and may not live to see answered."""
        standing = await self._standing()
        return [
            (key, self._waiting[key][0].call, self._waiting[key][0].scope)
            for key, stands in standing.items()
            if stands.owner != self.collected.owner and stands.status != "refused" and key in self._waiting
        ]

    async def _standing(self) -> dict[str, RequestState]:
        found: dict[str, RequestState] = {}
        keys = list(self._waiting)
        for at in range(0, len(keys), _PAGE):
            found |= await self.collected.store.batches.standing(keys[at : at + _PAGE])
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
        try:
            async with asyncio.timeout(self.patience.longest_quiet):
                while True:
                    self._came.clear()
                    await asyncio.wait_for(self._came.wait(), self.patience.quiet)
        except TimeoutError:
            return

    async def _hand_out(self) -> None:
        keys = list(self._waiting)
        standing = await self._standing()
        for key in keys:
            stands = standing.get(key)
            if stands is None:
                await self._answer(key)
            elif stands.status == "refused":
                self._refuse(key, stands)
            elif self.collected.has_had_enough(stands):
                self._give(key, None)

    async def _answer(self, key: str) -> None:
        entry = await self.collected.store.ledger.lookup(key)
        if entry is None:
            # Another process took it over and was told that it is not to be batched: make the call.
            self._give(key, None)
            return
        first = True
        for waiter in self._waiting.get(key, ()):
            finished = counted(entry, waiter.scope) if first else FinishedCall(entry, paid=False)
            first = False
            if not waiter.place.done():
                waiter.place.set_result(finished)

    def _refuse(self, key: str, standing: RequestState) -> None:
        for waiter in self._waiting.get(key, ()):
            if not waiter.place.done():
                waiter.place.set_exception(refusal(standing, target_of(waiter.call)))

    def _give(self, key: str, finished: FinishedCall | None) -> None:
        for waiter in self._waiting.get(key, ()):
            if not waiter.place.done():
                waiter.place.set_result(finished)
