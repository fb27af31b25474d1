"""Telemetry: OpenTelemetry spans and metrics of calls, programs and runs. Off, and then free, unless it is turned on.

`switch` says whether it is on. `listener` makes spans of modules, tools, evaluations and optimizers, `gauges` observes
limiters and breakers (`dspex.clients.calls.telemetry` does the calls); `set_up` makes providers from the environment
for processes that have none.
"""

from dspex.observability.switch import span, telemetry, traced

__all__ = ["Telemetry", "span", "telemetry", "traced"]


def __getattr__(name: str) -> object:
    """`Telemetry` loads OpenTelemetry, so it is loaded when it is asked for."""
    if name == "Telemetry":
        from dspex.observability.instruments import Telemetry

        return Telemetry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
