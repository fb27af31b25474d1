"""Telemetry: OpenTelemetry spans and metrics of calls, programs and runs. Off, and then free, unless somebody listens.

`switch` says whether anybody does. `lm_calls` tells of language-model calls in the GenAI semantic conventions,
`listener` of modules, tools, evaluations and optimizers, `gauges` of limiters and breakers; `set_up` makes providers
from the environment for those who have none, and `otlp_json` sends what they collect.
"""

from dspex.observability.switch import span, telemetry, traced

__all__ = ["Telemetry", "span", "telemetry", "traced"]


def __getattr__(name: str) -> object:
    """`Telemetry` loads OpenTelemetry, so it is loaded when it is asked for."""
    if name == "Telemetry":
        from dspex.observability.instruments import Telemetry

        return Telemetry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
