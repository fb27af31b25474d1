"""One trace for a durable run: from the client's call, through workflows and activities, to each HTTP request.

Temporal's own interceptor carries the trace in the headers of workflows and activities. A workflow's spans have no
length: they are sent when they begin, so that a run of days shows at once, and never a second time by a replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from temporalio.activity import info
from temporalio.client import OutboundInterceptor, QueryWorkflowInput
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from dspex.observability.conventions import ERROR_TYPE, PATH, RUN
from dspex.observability.instruments import Telemetry, known


class RunTracing(TracingInterceptor):
    """Temporal's tracing, without what would fill a trace (queries: progress is asked for all the time) or reveal too
    much (the words of errors, which are content)."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(_Discreet(telemetry))

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _QueriesUntraced(super().intercept_client(next), next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return super().intercept_activity(_WithPlace(next))


class _QueriesUntraced(OutboundInterceptor):
    def __init__(self, traced: OutboundInterceptor, plain: OutboundInterceptor) -> None:
        super().__init__(traced)
        self._plain = plain

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        return await self._plain.query_workflow(input)


class _WithPlace(ActivityInboundInterceptor):
    """Says on an activity's span which part of which run it works on, and at which attempt."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        work = input.args[0] if input.args else None
        request = getattr(work, "request", work)
        places = {
            RUN: getattr(work, "run_id", None),
            PATH: getattr(request, "path", None),
            "dspex.start": getattr(work, "start", None),
            "dspex.stop": getattr(work, "stop", None),
            "temporalAttempt": info().attempt,
        }
        trace.get_current_span().set_attributes(known(places))
        return await self.next.execute_activity(input)


class _Discreet(trace.Tracer):
    """A tracer whose spans say which error there was, and not in which words."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        return _DiscreetSpan(self._telemetry, self._telemetry.tracer.start_span(*args, **kwargs))

    @contextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        options = {"record_exception": False, "set_status_on_exception": False}
        with self._telemetry.tracer.start_as_current_span(*args, **{**kwargs, **options}) as span:
            discreet = _DiscreetSpan(self._telemetry, span)
            try:
                yield discreet
            except BaseException as error:
                discreet.record_exception(error)
                raise


class _DiscreetSpan(trace.NonRecordingSpan):
    """Of a span only what Temporal's interceptor uses, and of errors only their kind."""

    def __init__(self, telemetry: Telemetry, span: trace.Span) -> None:
        super().__init__(span.get_span_context())
        self._telemetry = telemetry
        self._span = span

    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, value)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Does nothing: `record_exception` says it."""

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        if not isinstance(exception, ApplicationError):
            self._telemetry.failed(self._span, exception)
            return
        kind = exception.type or type(exception).__name__
        self._span.set_attribute(ERROR_TYPE, kind)
        if exception.category is not ApplicationErrorCategory.BENIGN:  # benign ones are waited out
            words = str(exception) if self._telemetry.captures else kind
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, words))

    def end(self, end_time: int | None = None) -> None:
        self._span.end(end_time)
