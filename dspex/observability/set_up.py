"""Make tracer and meter providers as the ``OTEL_*`` variables say, for a process that has none.

A library leaves this to the program that it is part of. So it is done where the user asks for telemetry, and by the
`dspex` commands, which are programs, where a collector is named in the environment.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any

logger = logging.getLogger(__name__)

_FLUSH_MILLISECONDS = 5_000

_made: list[Any] = []


def set_up() -> None:
    """Make providers for the whole process, with the exporters that the environment asks for (``otlp`` by default)."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": "dspex"})
    tracers = TracerProvider(resource=resource)
    if (spans := _exporter("OTEL_TRACES_EXPORTER", _span_exporters())) is not None:
        tracers.add_span_processor(BatchSpanProcessor(spans))
    figures = _exporter("OTEL_METRICS_EXPORTER", _metric_exporters())
    readers = [] if figures is None else [PeriodicExportingMetricReader(figures)]
    meters = MeterProvider(resource=resource, metric_readers=readers)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    _made.extend((tracers, meters))


def flush() -> None:
    """Send what is still waiting to be sent. For a process that ends without Python's own end, as commands do."""
    if "opentelemetry.trace" not in sys.modules:
        return
    from opentelemetry import metrics, trace

    providers = _made or [trace.get_tracer_provider(), metrics.get_meter_provider()]
    for provider in providers:
        send = getattr(provider, "force_flush", None)
        if send is not None:
            with suppress(Exception):  # telemetry is lost; the command ends as it would have
                send(_FLUSH_MILLISECONDS)


def _exporter(variable: str, known: dict[str, Callable[[], Any]]) -> Any:
    name = os.environ.get(variable) or "otlp"
    if name not in known:
        logger.warning(
            "%s=%s: dspex sets up %s only. Set providers yourself for others.", variable, name, ", ".join(known)
        )
        return None
    return known[name]()


def _span_exporters() -> dict[str, Callable[[], Any]]:
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    return {
        "otlp": lambda: _otlp("trace_exporter", "OTLPSpanExporter"),
        "console": lambda: ConsoleSpanExporter(out=sys.stderr),
        "none": lambda: None,
    }


def _metric_exporters() -> dict[str, Callable[[], Any]]:
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

    return {
        "otlp": lambda: _otlp("metric_exporter", "OTLPMetricExporter"),
        "console": lambda: ConsoleMetricExporter(out=sys.stderr),
        "none": lambda: None,
    }


_PACKAGES = {
    "http/protobuf": ("http", "dspex[otlp]"),
    "grpc": ("grpc", "opentelemetry-exporter-otlp-proto-grpc"),
}
"""For each OTLP protocol, the last part of the exporter's package, and what to install for it."""


def _otlp(module: str, name: str) -> Any:
    """OpenTelemetry's exporter for the protocol that the environment asks for; None where it is not installed."""
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol not in _PACKAGES:
        _complain(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: dspex sends {' or '.join(_PACKAGES)} only.")
        return None
    package, to_install = _PACKAGES[protocol]
    try:
        found = import_module(f"opentelemetry.exporter.otlp.proto.{package}.{module}")
    except ImportError:
        _complain(f"Telemetry is not sent: OTLP over {protocol} needs a package: pip install '{to_install}'")
        return None
    return getattr(found, name)()


@lru_cache(maxsize=16)
def _complain(message: str) -> None:
    """Warn once: spans and metrics miss the same package."""
    logger.warning(message)
