"""The way of a call: single flight, ledger claim, limiter, retry, HTTP, ledger record.

No caller gets an answer that is not in the ledger yet, so no paid answer can be lost: not to a crash of its reader, not
to a cancelled caller, not to a full disk (then it waits in memory for the store, for up to an hour).
"""

from __future__ import annotations

import time
from typing import Any

from dspex.clients.calls.batch_collector import current_collector
from dspex.clients.calls.call import FinishedCall, LMCall, cost_upper_bound
from dspex.clients.calls.claims import Reservation, claim, persist
from dspex.clients.calls.entry import ledger_entry
from dspex.clients.calls.no_telemetry import NO_TELEMETRY, CallTelemetry
from dspex.clients.calls.scope import CallScope, Usage, current_scope
from dspex.clients.calls.sending import send
from dspex.clients.calls.single_flight import Flight
from dspex.clients.calls.traffic import loop_traffic
from dspex.clients.canonical.answer import reported_cost, usage_of
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.pricing import tokens_usd
from dspex.clients.resilience.retry import with_retries
from dspex.errors import FailureKind, classify
from dspex.observability.switch import telemetry
from dspex.store.records.budget import Payer
from dspex.store.records.ledger import Hit


async def answer(call: LMCall) -> tuple[Any, FinishedCall]:
    """Answer `call`: from the ledger, from an identical call in progress, or from the provider.

    The call counts in the current scope. A failure that is not the program's is left there too, so that it counts even
    if the program swallows it.

    Returns:
        The answer, decoded and as recorded.

    Raises:
        LMError: there is no answer, after all retries.
        BudgetExceededError: the budget of the run has no room for the call.
        StoreError: the store was away for too long.
    """
    scope, report_to = current_scope(), _call_telemetry()
    with report_to.lm_call(call, scope) as report:
        finished, joined = await _finished(call, scope, report_to)
        reply = _decoded(call, finished, joined, scope)
        report.answered(reply, finished, joined)
        return reply, finished


def _call_telemetry() -> CallTelemetry:
    active = telemetry()
    if active is None:
        return NO_TELEMETRY
    from dspex.clients.calls.telemetry import call_telemetry  # loads OpenTelemetry

    return call_telemetry(active)


async def _finished(call: LMCall, scope: CallScope | None, report_to: CallTelemetry) -> tuple[FinishedCall, bool]:
    """The finished call, and whether an identical call in progress was it."""
    try:
        collector = current_collector()
        collected = await collector.answer(call, scope) if collector is not None else None
        if collected is not None:
            return collected, False
        if call.key is None:
            return await _paid(call, scope, None, None, report_to), False
        flights = loop_traffic.get().flights
        return await flights.do(call.key, lambda flight: _from_ledger_or_paid(call, scope, flight, report_to))
    except Exception as error:
        if scope is not None and scope.failure is None and classify(error) is not FailureKind.PROGRAM:
            scope.failure = error
        raise


def _decoded(call: LMCall, finished: FinishedCall, joined: bool, scope: CallScope | None) -> Any:
    if finished.reply is not None and not joined:
        return finished.reply
    reply = call.wire.decode(finished.entry.response)
    if joined or not finished.paid:
        reply.cache_hit = True
        if scope is not None:
            scope.usage.calls_from_ledger += 1
    return reply


async def _from_ledger_or_paid(
    call: LMCall, scope: CallScope | None, flight: Flight[FinishedCall], report_to: CallTelemetry
) -> FinishedCall:
    """Find the answer in the ledger, or make the call and record its answer there."""
    ledger = call.ledger
    if ledger is None:
        return await _paid(call, scope, flight, None, report_to)
    payer = None if scope is None or scope.run_id is None else Payer(scope.run_id, lambda: cost_upper_bound(call))
    found = await claim(ledger, flight.key, payer, flight.wanted)
    if isinstance(found, Hit):
        return FinishedCall(found.entry, paid=False)
    limited = payer is not None and found.limited
    reservation = Reservation(ledger, flight.key, payer, call.model) if payer is not None and limited else None
    try:
        finished = await _paid(call, scope, flight, reservation, report_to)
    except BaseException:
        await persist(lambda: ledger.release(flight.key), "give up a claim on")
        raise
    standing = await persist(lambda: ledger.record(finished.entry), "record a paid answer in")
    return finished if standing is finished.entry else FinishedCall(standing, paid=True)


async def _paid(
    call: LMCall,
    scope: CallScope | None,
    flight: Flight[FinishedCall] | None,
    reservation: Reservation | None,
    report_to: CallTelemetry,
) -> FinishedCall:
    """Make the call, and count what it came to."""
    with report_to.payment(call) as report:
        started = time.perf_counter()
        body, reply = await with_retries(
            lambda number: send(call, flight, number, reservation, report_to), call.num_retries
        )
        usage = usage_of(reply)
        tokens = token_counts(usage)
        loop_traffic.get().limiter(call).used(tokens.prompt + tokens.completion)
        cost = reported_cost(reply) if call.sender is not None and call.price is None else None
        if cost is None:
            cost = tokens_usd(call.model, tokens, call.price) if usage else None
        if scope is not None:
            scope.usage.add(Usage(1, 0, tokens.prompt, tokens.completion, cost or 0.0))
        seconds = time.perf_counter() - started
        entry = ledger_entry(
            call.key or "", call.model, body, reply, tokens, cost_usd=cost, latency_s=seconds, scope=scope
        )
        finished = FinishedCall(entry, paid=True, reply=reply)
        report.paid(finished)
        return finished
