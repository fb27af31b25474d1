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
        "otlp": lambda: _official("trace_exporter", "OTLPSpanExporter") or _own("JsonSpanExporter"),
        "console": lambda: ConsoleSpanExporter(out=sys.stderr),
        "none": lambda: None,
    }


def _metric_exporters() -> dict[str, Callable[[], Any]]:
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

    return {
        "otlp": lambda: _official("metric_exporter", "OTLPMetricExporter") or _own("JsonMetricExporter"),
        "console": lambda: ConsoleMetricExporter(out=sys.stderr),
        "none": lambda: None,
    }


def _official(module: str, name: str) -> Any:
    """OpenTelemetry's own exporter, where the package of the protocol that is asked for is installed."""
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    package = {"grpc": "grpc", "http/protobuf": "http"}.get(protocol)
    if package is None:
        return None
    try:
        found = import_module(f"opentelemetry.exporter.otlp.proto.{package}.{module}")
    except ImportError:
        if package == "grpc":
            logger.warning(
                "OTLP over gRPC needs opentelemetry-exporter-otlp-proto-grpc: sending JSON over HTTP instead."
            )
        return None
    return getattr(found, name)()


def _own(name: str) -> Any:
    return getattr(import_module("dspex.observability.otlp_json"), name)()
