"""What telemetry arrives: in this process, or over OTLP at a collector."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from integration.raw_server import Asked, raw_server
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dspex.observability import Telemetry


class Heard:
    """`telemetry` for the settings, and what was told to it."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(tracers, MeterProvider([self._reader]), **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._spans.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric."""
        data = self._reader.get_metrics_data()
        scopes = [scope for each in (data.resource_metrics if data else ()) for scope in each.scope_metrics]
        return [
            point for one in scopes for each in one.metrics if each.name == metric for point in each.data.data_points
        ]

    def everything(self) -> str:
        """All that was told, as text: to search for what must not be in it."""
        data = self._reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans) + (data.to_json() if data else "")


@dataclass
class Collected:
    """What a collector was sent."""

    url: str = ""
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def spans(self) -> list[dict[str, Any]]:
        groups = [group for path, body in self.bodies if path == "/v1/traces" for group in body["resourceSpans"]]
        return [span for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]

    def metrics(self) -> dict[str, Any]:
        """The last state of each metric."""
        groups = [group for path, body in self.bodies if path == "/v1/metrics" for group in body["resourceMetrics"]]
        return {each["name"]: each for group in groups for scope in group["scopeMetrics"] for each in scope["metrics"]}


_REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


def _decoded(path: str, body: bytes) -> dict[str, Any]:
    """A request of OTLP's in its JSON form, where ids are hexadecimal."""
    message = _REQUESTS[path].FromString(body)
    decoded: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    for group in decoded.get("resourceSpans", ()):
        for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
            span.setdefault("parentSpanId", "")
            for name in ("traceId", "spanId", "parentSpanId"):
                span[name] = base64.b64decode(span[name]).hex()
    return decoded


@asynccontextmanager
async def collector() -> AsyncIterator[Collected]:
    """A collector on loopback."""
    collected = Collected()

    async def take(asked: Asked) -> None:
        path = asked.line.split()[1]
        collected.bodies.append((path, _decoded(path, asked.body)))
        collected.headers.append(asked.headers)
        await asked.reply(200, b"", "Content-Type: application/x-protobuf\r\n")

    async with raw_server(take) as server:
        collected.url = server.url.removesuffix("/v1")
        yield collected


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span as it was sent."""
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def named(spans: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["name"] == name]
