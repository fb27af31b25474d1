"""`Telemetry`: a tracer, the instruments of a meter, and what may be reported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from dspex.observability import gauges
from dspex.observability.conventions import (
    DURATION_BUCKETS,
    DURATION_METRIC,
    ERROR_TYPE,
    TOKEN_BUCKETS,
    TOKENS_METRIC,
)

CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
TRACEPARENT_VARIABLE = "DSPEX_TRACEPARENT_HOSTS"

_SCOPE = "dspex"
_CAPTURE = ("1", "true", "span", "span_only", "span_and_event")


class Telemetry:
    """Where spans and metrics go: ``dspex.configure(telemetry=Telemetry(tracer_provider, meter_provider))``.

    Args:
        tracer_provider: Default: the process's.
        meter_provider: Default: the process's.
        capture_content: Whether prompts, answers, and the arguments and results of tools may be recorded. Default: as
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says, and else not.
        traceparent_hosts: The hosts that receive the trace a request belongs to (``traceparent``), ``*`` for all.
            Default: as ``DSPEX_TRACEPARENT_HOSTS`` says (names with commas between), and else none.
    """

    def __init__(
        self,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        *,
        capture_content: bool | None = None,
        traceparent_hosts: frozenset[str] | None = None,
    ) -> None:
        self.tracer_provider = tracer_provider or trace.get_tracer_provider()
        self.meter_provider = meter_provider or metrics.get_meter_provider()
        said = os.environ.get(CAPTURE_VARIABLE, "").lower()
        self.captures = said in _CAPTURE if capture_content is None else capture_content
        hosts = os.environ.get(TRACEPARENT_VARIABLE, "").split(",")
        self.traceparent_hosts = (
            frozenset(host.strip() for host in hosts if host.strip())
            if traceparent_hosts is None
            else traceparent_hosts
        )
        self.tracer = self.tracer_provider.get_tracer(_SCOPE)
        meter = self.meter_provider.get_meter(_SCOPE)
        self.duration = meter.create_histogram(
            DURATION_METRIC,
            unit="s",
            description="How long language-model calls took, waits and retries included.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.tokens = meter.create_histogram(
            TOKENS_METRIC,
            unit="{token}",
            description="The tokens that calls used.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self.cost = meter.create_counter("dspex.client.cost", "USD", "What calls cost.")
        self.retries = meter.create_counter("dspex.client.retries", "{try}", "Tries after the first.")
        self.refusals = meter.create_counter("dspex.client.refusals", "{try}", "Tries that a rate limit turned away.")
        self.waited = meter.create_histogram(
            "dspex.client.limiter.wait",
            unit="s",
            description="How long tries waited for their turn.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.lookups = meter.create_counter(
            "dspex.client.ledger.lookups", "{call}", "Calls by how the ledger answered them: hit, joined, miss or off."
        )
        gauges.offer(meter)

    @contextmanager
    def span(
        self, name: str, attributes: Mapping[str, Any] | None = None, kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[Span]:
        """Open a span around a block; it is the parent of those opened in it.

        Args:
            name: The span's name.
            attributes: Its attributes; those of None are left out.
            kind: OpenTelemetry's kind.
        """
        with self.tracer.start_as_current_span(
            name, kind=kind, attributes=known(attributes or {}), record_exception=False, set_status_on_exception=False
        ) as opened:
            try:
                yield opened
            except BaseException as error:
                self.failed(opened, error)
                raise

    def failed(self, span: Span, error: BaseException) -> None:
        """Note an error on a span. Its message may quote a prompt, so it counts as content.

        Args:
            span: The span.
            error: The error.
        """
        span.set_attribute(ERROR_TYPE, error_type(error))
        span.set_status(Status(StatusCode.ERROR, str(error) if self.captures else type(error).__name__))


def known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` without those of no value."""
    return {name: value for name, value in attributes.items() if value is not None}


def error_type(error: BaseException) -> str:
    """The HTTP status, where there was one; otherwise the error's class."""
    status = getattr(error, "status", None)
    return str(status) if isinstance(status, int) else type(error).__name__
