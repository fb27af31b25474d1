"""The way of a call: single flight, ledger claim, concurrency limit, retry, HTTP, ledger record.

Nobody gets an answer that is not in the ledger yet, so no paid answer can be lost: not to a crash of its reader, not to
a cancelled caller, not to a full disk (then it waits in memory until there is room, for up to a minute).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from dspex.clients.calls.batch_collector import current_collector
from dspex.clients.calls.call import CallLedger, FinishedCall, LMCall, cost_upper_bound
from dspex.clients.calls.calling_predictor import calling_predictor
from dspex.clients.calls.scope import CallScope, Usage, current_scope
from dspex.clients.calls.single_flight import Flight, SingleFlight
from dspex.clients.canonical.answer import reported_cost, stopped_because, usage_of
from dspex.clients.canonical.secrets import in_environment, in_headers, scrub, scrub_body
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.budget import refusal
from dspex.clients.cost.pricing import tokens_usd
from dspex.clients.resilience.limiter import EndpointLimiter
from dspex.clients.resilience.rate_limit_headers import calls_left
from dspex.clients.resilience.retry import with_retries
from dspex.errors import (
    FailureKind,
    LMError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    StoreError,
    classify,
)
from dspex.observability import gauges
from dspex.observability.switch import telemetry
from dspex.per_loop import PerLoop
from dspex.store.records.budget import BudgetExhausted, Payer
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won

logger = logging.getLogger(__name__)

STORE_PATIENCE_SECONDS = 3600.0
"""How long a paid answer waits in memory for a store that cannot be written. No more are paid for meanwhile: a call
needs a claim first, which such a store does not give."""

_WARN_EVERY_SECONDS = 60.0

_DOWN = (LMServerError, LMTimeoutError, LMTransportError)
"""What an endpoint that is down, or as good as down, gives instead of answers."""

_BYTES_A_TOKEN = 4.0

_POLL_SECONDS = (0.02, 0.05, 0.1, 0.25)


class _Traffic:
    """The calls of one event loop."""

    def __init__(self) -> None:
        self.flights: SingleFlight[FinishedCall] = SingleFlight()
        self.gates: dict[tuple[str, str | None], EndpointLimiter] = {}

    def gate(self, call: LMCall) -> EndpointLimiter:
        """Rate limits are an account's, so each address and key has a gate of its own."""
        name = (call.url, call.secret.reveal() if call.secret else None)
        return self.gates.get(name) or self.gates.setdefault(name, EndpointLimiter(call.url))


_traffic = PerLoop(_Traffic)


def _endpoints() -> list[gauges.EndpointState]:
    """How it stands with the endpoints, for who measures."""
    gates = [(url, gate) for _, traffic in _traffic.items() for (url, _), gate in list(traffic.gates.items())]
    return [
        gauges.EndpointState(url, gate.pace.rate, gate.waiting, gate.active, gate.breaker.state) for url, gate in gates
    ]


gauges.watch(_endpoints)


async def answer(call: LMCall) -> tuple[Any, FinishedCall]:
    """The answer to `call`, counted in the scope in force. A failure that is not the program's is left there too."""
    scope = current_scope()
    heard = telemetry()
    if heard is None:
        reply, finished, _ = await _answer(call, scope)
        return reply, finished
    from dspex.clients.calls.telemetry import lm_call

    with lm_call(heard, call, scope) as span:
        reply, finished, joined = await _answer(call, scope)
        span.answered(reply, finished, joined)
        return reply, finished


async def _answer(call: LMCall, scope: CallScope | None) -> tuple[Any, FinishedCall, bool]:
    """As `answer`, and whether it was somebody else's call that gave it."""
    collector = current_collector()
    joined = False
    try:
        finished = await collector.answer(call, scope) if collector is not None else None
        if finished is not None:
            pass
        elif call.key is None:
            finished = await _fetch(call, scope, None)
        else:
            key = call.key
            finished, joined = await _traffic.get().flights.do(key, lambda flight: _settle(call, scope, flight))
    except Exception as error:
        if scope is not None and scope.failure is None and classify(error) is not FailureKind.PROGRAM:
            scope.failure = error
        raise
    if finished.reply is not None and not joined:
        return finished.reply, finished, joined
    reply = call.wire.decode(finished.entry.response)
    if joined or not finished.paid:
        reply.cache_hit = True
        if scope is not None:
            scope.usage.calls_from_ledger += 1
    return reply, finished, joined


async def drain_loop(timeout: float | None) -> None:
    """Wait until no call of this event loop is under way, for at most `timeout` seconds."""
    under_way = _traffic.get().flights.under_way()
    if under_way:
        await asyncio.wait(under_way, timeout=timeout)


async def _settle(call: LMCall, scope: CallScope | None, flight: Flight[FinishedCall]) -> FinishedCall:
    """Find the answer in the ledger, or call and record it there."""
    ledger = call.ledger
    if ledger is None:
        return await _fetch(call, scope, flight)
    payer = None if scope is None or scope.run_id is None else Payer(scope.run_id, lambda: cost_upper_bound(call))
    found = await _claim(ledger, flight.key, payer, flight.wanted)
    if isinstance(found, Hit):
        return FinishedCall(found.entry, paid=False)
    room = Reservation(ledger, flight.key, payer, call.model) if payer is not None and found.limited else None
    try:
        finished = await _fetch(call, scope, flight, room)
    except BaseException:
        await _insist(lambda: ledger.release(flight.key), "give up a claim on")
        raise
    standing = await _insist(lambda: ledger.record(finished.entry), "record a paid answer in")
    return finished if standing is finished.entry else FinishedCall(standing, paid=True)


async def claimed(ledger: CallLedger, key: str, payer: Payer | None, model: str) -> Hit | None:
    """The recorded answer; or None, and the claim is ours, with room for the call set aside in the payer's budget.

    Raises:
        BudgetExceededError: there is no room for the call.
        LMConfigurationError: the budget is in dollars, and the model has no known price.
    """
    found = await _claim(ledger, key, payer)
    if isinstance(found, Hit):
        return found
    if payer is not None and found.limited:
        room = Reservation(ledger, key, payer, model)
        try:
            for polls in count():
                if await room.taken():
                    break
                await _pause(polls)
        except BaseException:
            await ledger.release(key)
            raise
    return None


async def _claim(
    ledger: CallLedger, key: str, payer: Payer | None, wanted: Callable[[], bool] = lambda: True
) -> Hit | Won:
    """The recorded answer, or the claim is ours. While another process calls, wait for what it gets."""
    for polls in count():
        outcome = await (ledger.claim(key) if payer is None else ledger.claim(key, payer.run_id))
        if not isinstance(outcome, Held):
            return outcome
        await _pause(polls)
        if not wanted():
            break
    raise asyncio.CancelledError


async def _pause(polls: int) -> None:
    await asyncio.sleep(_POLL_SECONDS[min(polls, len(_POLL_SECONDS) - 1)])


@dataclass(frozen=True, slots=True)
class Reservation:
    """The room for one call in the budget of the run that pays."""

    ledger: CallLedger
    key: str
    payer: Payer
    model: str

    async def taken(self) -> bool:
        """Set it aside; False, if there is none until other calls under way have come to less than they might.

        Raises:
            BudgetExceededError: there is none.
            LMConfigurationError: the budget is in dollars, and the model has no known price.
        """
        refused = await self.ledger.reserve(self.key, self.payer)
        if isinstance(refused, BudgetExhausted):
            raise refusal(refused, self.model)
        return refused is None


class _BudgetBusyError(Exception):
    """The call had its place at the endpoint, but there is no room for it in the budget just now."""


async def _insist(write: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Do `write`, again and again while the store is full or away, for up to `STORE_PATIENCE_SECONDS`."""
    give_up = time.monotonic() + STORE_PATIENCE_SECONDS
    pause = 0.1
    while True:
        try:
            return await write()
        except StoreError as error:
            if time.monotonic() > give_up:
                raise
            _warn_of_store(what, error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 5.0)


def _warn_of_store(what: str, error: StoreError) -> None:
    """Say once a minute what is wrong: all calls in flight meet it at once."""
    global _warned_at
    if _warned_at is None or time.monotonic() - _warned_at > _WARN_EVERY_SECONDS:
        _warned_at = time.monotonic()
        logger.warning("Cannot %s the store, and try on: %s", what, error)


_warned_at: float | None = None


async def _fetch(
    call: LMCall, scope: CallScope | None, flight: Flight[FinishedCall] | None, room: Reservation | None = None
) -> FinishedCall:
    """Call, count what it came to, and tell it to who measures."""
    heard = telemetry()
    if heard is None:
        return await _pay(call, scope, flight, room)
    from dspex.clients.calls.telemetry import measured

    with measured(heard, call) as paid:
        paid.finished = await _pay(call, scope, flight, room)
        return paid.finished


async def _pay(
    call: LMCall, scope: CallScope | None, flight: Flight[FinishedCall] | None, room: Reservation | None
) -> FinishedCall:
    """Call, and count what it came to."""
    started = time.perf_counter()
    body, reply = await with_retries(lambda number: _attempt(call, flight, number, room), call.num_retries)
    usage = usage_of(reply)
    tokens = token_counts(usage)
    _traffic.get().gate(call).used(tokens.prompt + tokens.completion)
    cost = reported_cost(reply) if call.sender is not None and call.price is None else None
    if cost is None:
        cost = tokens_usd(call.model, tokens, call.price) if usage else None
    if scope is not None:
        scope.usage.add(Usage(1, 0, tokens.prompt, tokens.completion, cost or 0.0))
    entry = LedgerEntry(
        key=call.key or "",
        model=call.model,
        response=body,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cost_usd=cost,
        latency_s=time.perf_counter() - started,
        run_id=scope.run_id if scope is not None else None,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        reasoning_tokens=tokens.reasoning,
        predictor=calling_predictor(scope) if scope is not None else None,
        outcome=stopped_because(reply),
    )
    return FinishedCall(entry, paid=True, reply=reply)


async def _attempt(
    call: LMCall, flight: Flight[FinishedCall] | None, number: int, room: Reservation | None
) -> tuple[bytes, Any]:
    """Send once, when the endpoint has a place and the budget has room. A call that nobody waits for is not sent."""
    for polls in count():
        try:
            return await _try(call, flight, number, room)
        except _BudgetBusyError:
            await _pause(polls)
    raise AssertionError("unreachable")


async def _try(
    call: LMCall, flight: Flight[FinishedCall] | None, number: int, room: Reservation | None
) -> tuple[bytes, Any]:
    gate = _traffic.get().gate(call)
    limit = gate.calls_per_second(call.rpm, call.tpm, len(call.body) / _BYTES_A_TOKEN) if call.rpm or call.tpm else None
    came = time.perf_counter()
    place = await gate.enter(call.max_concurrency, number > 1, limit)
    waited = time.perf_counter() - came
    try:
        if flight is not None and not flight.wanted():
            raise asyncio.CancelledError
        # Only now: what is set aside is lost if this process dies, and the call may wait long for its place.
        if room is not None and not await room.taken():
            raise _BudgetBusyError
        result = await _send(call, gate, number, waited)
        gate.answered()
        return result
    except LMRateLimitError as error:
        error.shared_wait = gate.refused(place, error.retry_after or 0.0)
        raise
    except _DOWN:
        gate.failed()
        raise
    except LMError:
        gate.answered()
        raise
    except BaseException:
        gate.abandoned()
        raise
    finally:
        gate.leave()


async def _send(call: LMCall, gate: EndpointLimiter, number: int, waited: float) -> tuple[bytes, Any]:
    """Send, as try `number`, after `waited` seconds."""
    heard = telemetry()
    if heard is None:
        return await _exchange(call, gate, call.headers)
    from dspex.clients.calls.telemetry import one_try

    with one_try(heard, call, number, waited) as headers:
        return await _exchange(call, gate, headers)


async def _exchange(call: LMCall, gate: EndpointLimiter, headers: Mapping[str, str]) -> tuple[bytes, Any]:
    key = call.secret.reveal() if call.secret else None
    try:
        if call.sender is not None:
            body, reply = await call.sender(call)
            return scrub_body(body, key), reply
        response = await call.transport.post(call.url, headers, call.body, call.timeout)
        if response.status not in (200, 201):
            raise call.wire.error(response)
        left = calls_left(response.headers, gate.tokens_a_call)
        if left is not None:
            gate.pace.told(left)
        body = scrub_body(response.body, *in_headers(call.headers))
        return body, call.wire.decode(body)
    except LMError as error:
        raise _told(error, call, key) from None


def _told(error: LMError, call: LMCall, key: str | None) -> LMError:
    """`error` with the model and the address in its message, and without the key if the provider echoed it."""
    where = f"{call.url}: " if call.url not in error.message else ""
    hint = " (no key was sent: set api_key_env=)" if error.status == 401 and key is None else ""
    secrets = (key, *in_headers(call.headers), *in_environment())
    words = scrub(where + error.message + hint, *secrets)
    told = type(error)(words, model=call.model, status=error.status, retry_after=error.retry_after)
    told.provider_code = None if error.provider_code is None else scrub(error.provider_code, *secrets)
    told.request_id = None if error.request_id is None else scrub(error.request_id, *secrets)
    told.provider, told.final = error.provider, error.final
    return told
