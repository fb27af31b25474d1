"""Send spans and metrics to a collector as OTLP over HTTP, in JSON: with the standard library alone.

For those who have not installed ``opentelemetry-exporter-otlp-proto-http``, which is used where it is installed and
does more (compression, client certificates). Every collector takes JSON at the same address.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote
from urllib.request import Request, urlopen

import orjson
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

DEFAULT_ENDPOINT = "http://localhost:4318"
_SECONDS = 10.0


class Collector:
    """Where one signal (``traces`` or ``metrics``) goes, as ``OTEL_EXPORTER_OTLP_*`` say."""

    def __init__(self, signal: str) -> None:
        own, general = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"
        base = os.environ.get(general + "ENDPOINT") or DEFAULT_ENDPOINT
        self.url = os.environ.get(own + "ENDPOINT") or f"{base.rstrip('/')}/v1/{signal}"
        self._seconds = float(_said(own, general, "TIMEOUT") or _SECONDS)
        self._headers = {"Content-Type": "application/json", **_headers(_said(own, general, "HEADERS"))}
        self._complained = False

    def send(self, data: Mapping[str, Any]) -> bool:
        """Whether the collector took it. It complains once: a collector that is away is no reason to fill a log."""
        request = Request(self.url, data=orjson.dumps(data), headers=self._headers)
        try:
            with urlopen(request, timeout=self._seconds):
                return True
        except (URLError, OSError, ValueError) as error:
            if not self._complained:
                self._complained = True
                logger.warning("Telemetry is lost: %s does not take it (%s)", self.url.partition("?")[0], error)
            return False


class JsonSpanExporter(SpanExporter):
    """Sends spans to ``/v1/traces``."""

    def __init__(self) -> None:
        self._collector = Collector("traces")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        sent = self._collector.send({"resourceSpans": _grouped(spans, "scopeSpans", "spans", _span)})
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE


class JsonMetricExporter(MetricExporter):
    """Sends metrics to ``/v1/metrics``."""

    def __init__(self) -> None:
        super().__init__()
        self._collector = Collector("metrics")

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        sent = self._collector.send(
            {"resourceMetrics": [_resource_metrics(one) for one in metrics_data.resource_metrics]}
        )
        return MetricExportResult.SUCCESS if sent else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        pass


def _said(own: str, general: str, name: str) -> str:
    """A setting of the signal's own, or of all signals."""
    return os.environ.get(own + name) or os.environ.get(general + name) or ""


def _headers(text: str) -> dict[str, str]:
    """``api-key=abc,tenant=x`` as a dictionary; values may be percent-encoded."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _grouped(spans: Iterable[ReadableSpan], scopes: str, items: str, encode: Any) -> list[dict[str, Any]]:
    """Spans by the resource and the scope that they belong to."""
    found: dict[int, tuple[Any, dict[int, tuple[Any, list[Any]]]]] = {}
    for span in spans:
        _, by_scope = found.setdefault(id(span.resource), (span.resource, {}))
        scope = span.instrumentation_scope
        by_scope.setdefault(id(scope), (scope, []))[1].append(encode(span))
    return [
        {
            "resource": _resource(resource),
            scopes: [{"scope": _scope(scope), items: each} for scope, each in by_scope.values()],
        }
        for resource, by_scope in found.values()
    ]


def _span(span: ReadableSpan) -> dict[str, Any]:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    data = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "parentSpanId": f"{parent.span_id:016x}" if parent else "",
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status.status_code.value, "message": span.status.description or ""},
    }
    data["events"] = [
        {"timeUnixNano": str(event.timestamp), "name": event.name, "attributes": _attributes(event.attributes)}
        for event in span.events
    ]
    data["links"] = [
        {
            "traceId": f"{link.context.trace_id:032x}",
            "spanId": f"{link.context.span_id:016x}",
            "attributes": _attributes(link.attributes),
        }
        for link in span.links
    ]
    return data


def _resource_metrics(group: Any) -> dict[str, Any]:
    scopes = [
        {"scope": _scope(one.scope), "metrics": [_metric(metric) for metric in one.metrics]}
        for one in group.scope_metrics
    ]
    return {"resource": _resource(group.resource), "scopeMetrics": scopes}


def _metric(metric: Any) -> dict[str, Any]:
    described = {"name": metric.name, "description": metric.description or "", "unit": metric.unit or ""}
    data = metric.data
    if isinstance(data, Gauge):
        return {**described, "gauge": {"dataPoints": [_number(point) for point in data.data_points]}}
    temporality = data.aggregation_temporality if isinstance(data, (Sum, Histogram)) else None
    kind = {"aggregationTemporality": int(temporality or AggregationTemporality.CUMULATIVE)}
    if isinstance(data, Sum):
        points = [_number(point) for point in data.data_points]
        return {**described, "sum": {**kind, "isMonotonic": data.is_monotonic, "dataPoints": points}}
    if isinstance(data, Histogram):
        return {**described, "histogram": {**kind, "dataPoints": [_histogram(point) for point in data.data_points]}}
    return described  # a view of the user's own with exponential buckets, which the official exporter can send


def _number(point: NumberDataPoint) -> dict[str, Any]:
    value = {"asInt": str(point.value)} if isinstance(point.value, int) else {"asDouble": point.value}
    return {**_times(point), **value}


def _histogram(point: HistogramDataPoint) -> dict[str, Any]:
    return {
        **_times(point),
        "count": str(point.count),
        "sum": point.sum,
        "min": point.min,
        "max": point.max,
        "bucketCounts": [str(count) for count in point.bucket_counts],
        "explicitBounds": list(point.explicit_bounds),
    }


def _times(point: Any) -> dict[str, Any]:
    return {
        "attributes": _attributes(point.attributes),
        "startTimeUnixNano": str(point.start_time_unix_nano or 0),
        "timeUnixNano": str(point.time_unix_nano),
    }


def _resource(resource: Any) -> dict[str, Any]:
    return {"attributes": _attributes(resource.attributes)}


def _scope(scope: Any) -> dict[str, Any]:
    return {"name": scope.name, "version": scope.version or ""} if scope is not None else {}


def _attributes(attributes: Any) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": str(value)}
