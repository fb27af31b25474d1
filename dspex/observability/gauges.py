"""Gauges of what the client knows of endpoints just now: read when a meter collects, and never otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dspex.observability.conventions import PORT, SERVER, URL, endpoint_address

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter

BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of an endpoint, for one event loop and key. `rate` is calls a second, None without a limit."""

    url: str
    rate: float | None
    waiting: int
    active: int
    breaker: str


_sources: list[Callable[[], Iterable[EndpointState]]] = []


def watch(source: Callable[[], Iterable[EndpointState]]) -> None:
    """Ask `source` for the state of its endpoints whenever a meter collects."""
    _sources.append(source)


def offer(meter: Meter) -> None:
    """Make the gauges on `meter`."""
    gauge = meter.create_observable_gauge
    gauge("dspex.client.limiter.rate", [_observing(_rate)], "{call}/s", "The pace of an endpoint that has shown one.")
    gauge("dspex.client.limiter.waiting", [_observing(_waiting)], "{call}", "Calls that wait for their turn.")
    gauge("dspex.client.active", [_observing(_active)], "{call}", "Calls under way.")
    gauge("dspex.client.breaker.state", [_observing(_breaker)], "1", "0 closed, 1 half-open, 2 open.")


def _observing(figure: Callable[[list[EndpointState]], float | None]) -> Callable[[CallbackOptions], Iterable[Any]]:
    """A callback that observes one figure of each address: its keys and event loops taken together."""

    def observe(options: CallbackOptions) -> Iterable[Any]:
        from opentelemetry.metrics import Observation

        for url, states in _by_address().items():
            value = figure(states)
            if value is not None:
                place = endpoint_address(url)
                yield Observation(value, {URL: place.url, SERVER: place.host or "", PORT: place.port or 0})

    return observe


def _by_address() -> dict[str, list[EndpointState]]:
    found: dict[str, list[EndpointState]] = {}
    for source in _sources:
        for state in source():
            found.setdefault(endpoint_address(state.url).url, []).append(state)
    return found


def _rate(states: list[EndpointState]) -> float | None:
    rates = [state.rate for state in states if state.rate is not None]
    return sum(rates) if rates else None


def _waiting(states: list[EndpointState]) -> float:
    return sum(state.waiting for state in states)


def _active(states: list[EndpointState]) -> float:
    return sum(state.active for state in states)


def _breaker(states: list[EndpointState]) -> float:
    return max(BREAKER_STATES[state.breaker] for state in states)
