"""One try of a call: admitted by the endpoint's limiter, within the budget, sent, and read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from dspex.clients.calls.call import FinishedCall, LMCall
from dspex.clients.calls.claims import BudgetBusyError, Reservation, pause
from dspex.clients.calls.no_telemetry import CallTelemetry
from dspex.clients.calls.single_flight import Flight
from dspex.clients.calls.traffic import loop_traffic
from dspex.clients.canonical.secrets import in_environment, in_headers, scrub, scrub_body
from dspex.clients.resilience.limiter import EndpointLimiter
from dspex.clients.resilience.rate_limit_headers import calls_left
from dspex.errors import LMError, LMRateLimitError, LMServerError, LMTimeoutError, LMTransportError

_DOWN = (LMServerError, LMTimeoutError, LMTransportError)
"""What an endpoint that is down, or as good as down, gives instead of answers."""

_BYTES_A_TOKEN = 4.0


async def send(
    call: LMCall,
    flight: Flight[FinishedCall] | None,
    number: int,
    reservation: Reservation | None,
    telemetry: CallTelemetry,
) -> tuple[bytes, Any]:
    """Send a call once, when the endpoint has a free place and the budget has room.

    Args:
        call: The request.
        flight: Those who wait for the answer. None: the caller alone, who always waits.
        number: Which try of the call this is, from 1.
        reservation: The cost to reserve before sending. None: the run that pays has no budget.
        telemetry: Where to report the try.

    Returns:
        The answer as it is recorded, in bytes, and decoded.

    Raises:
        asyncio.CancelledError: nobody waits for the call any more; it was not sent.
        LMError: the try failed.
        BudgetExceededError: the budget has no room for the call.
    """
    for polls in count():
        try:
            return await _admitted(call, flight, number, reservation, telemetry)
        except BudgetBusyError:
            await pause(polls)
    raise AssertionError("unreachable")


async def _admitted(
    call: LMCall,
    flight: Flight[FinishedCall] | None,
    number: int,
    reservation: Reservation | None,
    telemetry: CallTelemetry,
) -> tuple[bytes, Any]:
    limiter = loop_traffic.get().limiter(call)
    per_second = (
        limiter.calls_per_second(call.rpm, call.tpm, len(call.body) / _BYTES_A_TOKEN) if call.rpm or call.tpm else None
    )
    arrived = time.perf_counter()
    ticket = await limiter.enter(call.max_concurrency, number > 1, per_second)
    waited = time.perf_counter() - arrived
    try:
        if flight is not None and not flight.wanted():
            raise asyncio.CancelledError
        # Only now: a reservation is lost if this process dies, and the call may have waited long to be admitted.
        if reservation is not None and not await reservation.made():
            raise BudgetBusyError
        with telemetry.one_try(call, number, waited) as headers:
            result = await _exchange(call, limiter, headers)
        limiter.answered()
        return result
    except LMRateLimitError as error:
        error.shared_wait = limiter.refused(ticket, error.retry_after or 0.0)
        raise
    except _DOWN:
        limiter.failed()
        raise
    except LMError:
        limiter.answered()
        raise
    except BaseException:
        limiter.abandoned()
        raise
    finally:
        limiter.leave()


async def _exchange(call: LMCall, limiter: EndpointLimiter, headers: Mapping[str, str]) -> tuple[bytes, Any]:
    key = call.secret.reveal() if call.secret else None
    try:
        if call.sender is not None:
            body, reply = await call.sender(call)
            return scrub_body(body, key), reply
        response = await call.transport.post(call.url, headers, call.body, call.timeout)
        if response.status not in (200, 201):
            raise call.wire.error(response)
        left = calls_left(response.headers, limiter.tokens_a_call)
        if left is not None:
            limiter.rate.announced(left)
        body = scrub_body(response.body, *in_headers(call.headers))
        return body, call.wire.decode(body)
    except LMError as error:
        raise _explained(error, call, key) from None


def _explained(error: LMError, call: LMCall, key: str | None) -> LMError:
    """`error` with the model and the address in its message, and without the key if the provider echoed it."""
    where = f"{call.url}: " if call.url not in error.message else ""
    hint = " (no key was sent: set api_key_env=)" if error.status == 401 and key is None else ""
    secrets = (key, *in_headers(call.headers), *in_environment())
    message = scrub(where + error.message + hint, *secrets)
    explained = type(error)(message, model=call.model, status=error.status, retry_after=error.retry_after)
    explained.provider_code = None if error.provider_code is None else scrub(error.provider_code, *secrets)
    explained.request_id = None if error.request_id is None else scrub(error.request_id, *secrets)
    explained.provider, explained.final = error.provider, error.final
    return explained
