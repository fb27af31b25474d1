"""Telemetry of a command, which is a program of its own: on where the environment names a collector or an exporter."""

from __future__ import annotations

import os

_COLLECTOR_VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def set_up_for_command() -> None:
    """Send telemetry where the environment says, if it names a collector or an exporter; otherwise do nothing."""
    from dspex.observability.set_up import set_up
    from dspex.observability.switch import asked_by_environment, of_process

    asked = asked_by_environment()
    named = any(map(os.environ.get, _COLLECTOR_VARIABLES)) or os.environ.get("OTEL_TRACES_EXPORTER", "none") != "none"
    if asked is False or not (asked or named):
        return
    if of_process() is None:  # `opentelemetry-instrument` may have set providers already
        set_up()
