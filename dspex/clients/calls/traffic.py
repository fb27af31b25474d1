"""The calls in progress on one event loop: those that are shared, and the limiter of each endpoint."""

from __future__ import annotations

import asyncio

from dspex.clients.calls.call import FinishedCall, LMCall
from dspex.clients.calls.single_flight import SingleFlight
from dspex.clients.resilience.limiter import EndpointLimiter
from dspex.observability import gauges
from dspex.per_loop import PerLoop


class LoopTraffic:
    """The calls of one event loop."""

    def __init__(self) -> None:
        self.flights: SingleFlight[FinishedCall] = SingleFlight()
        self.limiters: dict[tuple[str, str | None], EndpointLimiter] = {}

    def limiter(self, call: LMCall) -> EndpointLimiter:
        """Return the limiter for the call. Rate limits are an account's, so each address and key has one of its own."""
        name = (call.url, call.secret.reveal() if call.secret else None)
        return self.limiters.get(name) or self.limiters.setdefault(name, EndpointLimiter(call.url))


loop_traffic = PerLoop(LoopTraffic)


async def drain_loop(timeout: float | None) -> None:
    """Wait until no call of this event loop is in progress.

    Args:
        timeout: Seconds to wait at most; None to wait as long as it takes.
    """
    in_progress = loop_traffic.get().flights.under_way()
    if in_progress:
        await asyncio.wait(in_progress, timeout=timeout)


def _endpoint_states() -> list[gauges.EndpointState]:
    limiters = [(url, one) for _, traffic in loop_traffic.items() for (url, _), one in list(traffic.limiters.items())]
    return [
        gauges.EndpointState(url, each.rate.rate, each.waiting, each.active, each.breaker.state)
        for url, each in limiters
    ]


gauges.watch(_endpoint_states)
