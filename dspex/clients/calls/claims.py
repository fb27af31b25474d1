"""A call's claim in the ledger, and its reservation in the budget of the run that pays."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from dspex.clients.calls.call import CallLedger
from dspex.clients.cost.budget import refusal
from dspex.errors import StoreError
from dspex.store.records.budget import BudgetExhausted, Payer
from dspex.store.records.ledger import Held, Hit, Won

logger = logging.getLogger(__name__)

STORE_WAIT_SECONDS = 3600.0
"""How long a paid answer waits in memory for a store that cannot be written. No more are paid for meanwhile: a call
needs a claim first, which such a store does not give."""

_WARN_EVERY_SECONDS = 60.0

_POLL_SECONDS = (0.02, 0.05, 0.1, 0.25)


class BudgetBusyError(Exception):
    """The call was admitted to the endpoint, but other calls in progress hold what is left of the budget just now."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The upper bound of one call's cost, to be reserved in the budget of the run that pays."""

    ledger: CallLedger
    key: str
    payer: Payer
    model: str

    async def made(self) -> bool:
        """Reserve the cost; False if there is no room until other calls in progress turn out cheaper than their bounds.

        Raises:
            BudgetExceededError: there is no room.
            LMConfigurationError: the budget is in dollars, and the model has no known price.
        """
        refused = await self.ledger.reserve(self.key, self.payer)
        if isinstance(refused, BudgetExhausted):
            raise refusal(refused, self.model)
        return refused is None


async def claimed(ledger: CallLedger, key: str, payer: Payer | None, model: str) -> Hit | None:
    """Find the recorded answer or, if there is none, claim the call and reserve its cost in the payer's budget.

    Args:
        ledger: Where to look.
        key: The hash of the request.
        payer: The run that pays if the call is made. None outside of runs, which have no budget.
        model: The model's name, for messages.

    Returns:
        The recorded answer; None if the claim is the caller's, who must then record or release it.

    Raises:
        BudgetExceededError: the budget has no room for the call.
        LMConfigurationError: the budget is in dollars, and the model has no known price.
    """
    found = await claim(ledger, key, payer)
    if isinstance(found, Hit):
        return found
    if payer is not None and found.limited:
        reservation = Reservation(ledger, key, payer, model)
        try:
            for polls in count():
                if await reservation.made():
                    break
                await pause(polls)
        except BaseException:
            await ledger.release(key)
            raise
    return None


async def claim(
    ledger: CallLedger, key: str, payer: Payer | None, wanted: Callable[[], bool] = lambda: True
) -> Hit | Won:
    """Return the recorded answer, or claim the call. While another process makes the call, wait for its answer.

    Args:
        ledger: Where to look.
        key: The hash of the request.
        payer: The run that pays if the call is made. None outside of runs.
        wanted: Tells whether anybody still waits; asked between polls.

    Raises:
        asyncio.CancelledError: nobody waits any more.
    """
    for polls in count():
        outcome = await (ledger.claim(key) if payer is None else ledger.claim(key, payer.run_id))
        if not isinstance(outcome, Held):
            return outcome
        await pause(polls)
        if not wanted():
            break
    raise asyncio.CancelledError


async def pause(polls: int) -> None:
    """Wait before poll number `polls` + 1: a little at first, then a quarter of a second."""
    await asyncio.sleep(_POLL_SECONDS[min(polls, len(_POLL_SECONDS) - 1)])


async def persist(write: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Do `write`, again and again while the store is full or away, for up to `STORE_WAIT_SECONDS`.

    Args:
        write: Writes to the store.
        what: What it does, for the log: "Cannot <what> the store".

    Returns:
        What `write` returns.

    Raises:
        StoreError: the store was away for longer.
    """
    give_up = time.monotonic() + STORE_WAIT_SECONDS
    wait = 0.1
    while True:
        try:
            return await write()
        except StoreError as error:
            if time.monotonic() > give_up:
                raise
            _warn_of_store(what, error)
        await asyncio.sleep(wait)
        wait = min(2 * wait, 5.0)


def _warn_of_store(what: str, error: StoreError) -> None:
    """Once a minute: all calls in flight meet the same trouble at once."""
    global _warned_at
    if _warned_at is None or time.monotonic() - _warned_at > _WARN_EVERY_SECONDS:
        _warned_at = time.monotonic()
        logger.warning("Cannot %s the store, and try on: %s", what, error)


_warned_at: float | None = None
