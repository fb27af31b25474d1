"""Spans and metrics of language-model calls, in OpenTelemetry's GenAI semantic conventions.

A call is a span, also one that the ledger answers; each try over the network is one within it. What a call used and
cost is reported once: by the caller who paid, not by those whom the ledger answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dspex.clients.calls.call import FinishedCall, LMCall
from dspex.clients.calls.scope import CallScope
from dspex.errors import LMError, LMRateLimitError
from dspex.observability.conventions import (
    CACHED_TOKENS,
    COST,
    ERROR_TYPE,
    FINISH_REASONS,
    INPUT_MESSAGES,
    INPUT_TOKENS,
    LEDGER,
    METHOD,
    OPERATION,
    OUTPUT_MESSAGES,
    OUTPUT_TOKENS,
    PATH,
    PORT,
    PROVIDER,
    REASONING_TOKENS,
    REQUEST_MODEL,
    REQUEST_PARAMETERS,
    RESENT,
    RESPONSE_ID,
    RESPONSE_MODEL,
    RUN,
    SERVER,
    STATUS,
    TOKEN_TYPE,
    URL,
    WAITED,
    endpoint_address,
    provider_of,
)
from dspex.observability.instruments import Telemetry, error_type, known
from dspex.observability.messages import input_messages, output_messages

_TRACEPARENT = TraceContextTextMapPropagator()


class CallSpan:
    """The span of one call, until its answer is there.

    Args:
        telemetry: The instruments that are in use.
        span: The open span.
        call: The call.
    """

    def __init__(self, telemetry: Telemetry, span: Span, call: LMCall) -> None:
        self._telemetry = telemetry
        self._span = span
        self._call = call

    def answered(self, reply: Any, finished: FinishedCall, joined: bool) -> None:
        """Record the answer in the span and in the count of ledger lookups.

        Args:
            reply: The decoded answer.
            finished: The call as recorded, and whether it was paid for just now.
            joined: Whether an identical call in progress gave it.
        """
        how = "off" if self._call.key is None else "joined" if joined else "miss" if finished.paid else "hit"
        self._telemetry.lookups.add(1, {**_base(self._call), LEDGER: how})
        if not self._span.is_recording():
            return
        self._span.set_attributes(known({LEDGER: how, **_of_reply(reply)}))
        if finished.paid and not joined:
            self._span.set_attributes(known(_of_bill(reply, finished)))
        if self._telemetry.captures and (said := output_messages(reply)):
            self._span.set_attribute(OUTPUT_MESSAGES, said)


class PaidCall:
    """A call that the ledger could not answer, until it is paid for."""

    finished: FinishedCall | None = None

    def paid(self, finished: FinishedCall) -> None:
        """Note the call that was paid for."""
        self.finished = finished


class OpenTelemetryCalls:
    """Spans and metrics of calls (`dspex.clients.calls.no_telemetry.CallTelemetry`)."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    @contextmanager
    def lm_call(self, call: LMCall, scope: CallScope | None) -> Iterator[CallSpan]:
        """Open a span around one call, from the look into the ledger to the answer.

        Args:
            call: The call.
            scope: Where in a run the call belongs. None outside of runs.
        """
        base = _base(call)
        attributes = {**base, **_of_request(call.params)}
        if scope is not None:
            attributes |= {RUN: scope.run_id, PATH: scope.path or None}
        if self._telemetry.captures and call.messages is not None:
            attributes[INPUT_MESSAGES] = input_messages(call.messages)
        with self._telemetry.span(f"{base[OPERATION]} {base[REQUEST_MODEL]}", attributes, SpanKind.CLIENT) as span:
            yield CallSpan(self._telemetry, span, call)

    @contextmanager
    def payment(self, call: LMCall) -> Iterator[PaidCall]:
        """Measure the call that is made in the block, tries and waits included. Its exceptions pass through."""
        began, paid, failure = time.perf_counter(), PaidCall(), None
        base, to = _base(call), self._telemetry
        try:
            yield paid
        except BaseException as error:
            failure = error_type(error)
            raise
        finally:
            to.duration.record(time.perf_counter() - began, known({**base, ERROR_TYPE: failure}))
            if paid.finished is not None:
                entry = paid.finished.entry
                to.tokens.record(entry.prompt_tokens, {**base, TOKEN_TYPE: "input"})
                to.tokens.record(entry.completion_tokens, {**base, TOKEN_TYPE: "output"})
                to.cost.add(entry.cost_usd or 0.0, base)

    @contextmanager
    def one_try(self, call: LMCall, number: int, waited: float) -> Iterator[Mapping[str, str]]:
        """Open a span around one try over the network.

        Args:
            call: The call.
            number: Which try it is, from 1.
            waited: Seconds that it waited to be admitted.

        Yields:
            The headers to send: the call's, and the trace's id where the host may know it.

        Raises:
            LMError: whatever the try raises; the span records it.
        """
        base, address, to = _base(call), endpoint_address(call.url), self._telemetry
        to.waited.record(waited, base)
        if number > 1:
            to.retries.add(1, base)
        attributes = {
            METHOD: "POST" if call.sender is None else None,
            URL: address.url,
            SERVER: address.host,
            PORT: address.port,
            RESENT: number - 1 or None,
            WAITED: waited,
        }
        with to.span("POST" if call.sender is None else "send", attributes, SpanKind.CLIENT) as span:
            headers = call.headers
            if address.host is not None and not to.traceparent_hosts.isdisjoint((address.host, "*")):
                carrier: dict[str, str] = {}
                _TRACEPARENT.inject(carrier)
                headers = {**headers, **carrier}
            try:
                yield headers
            except LMError as error:
                span.set_attributes(known({STATUS: error.status}))
                if isinstance(error, LMRateLimitError):
                    to.refusals.add(1, base)
                raise
            if call.sender is None:
                span.set_attribute(STATUS, 200)


@lru_cache(maxsize=16)
def call_telemetry(telemetry: Telemetry) -> OpenTelemetryCalls:
    """Return the object that reports calls to `telemetry`."""
    return OpenTelemetryCalls(telemetry)


def _base(call: LMCall) -> dict[str, Any]:
    """The attributes by which a metric's time series differ."""
    place = endpoint_address(call.url)
    base = {OPERATION: place.operation, PROVIDER: provider_of(call.model), REQUEST_MODEL: call.model.partition("/")[2]}
    base[REQUEST_MODEL] = base[REQUEST_MODEL] or call.model
    return base if place.host is None else {**base, SERVER: place.host, PORT: place.port}


def _of_request(params: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: params.get(parameter) for parameter, name in REQUEST_PARAMETERS.items() if params.get(parameter)}
    if found.get("gen_ai.request.choice.count") == 1:
        del found["gen_ai.request.choice.count"]
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}


def _of_reply(reply: Any) -> dict[str, Any]:
    reply = reply if isinstance(reply, Mapping) else {}
    choices = reply.get("choices")
    reasons = [one.get("finish_reason") for one in choices if isinstance(one, Mapping)] if choices else []
    return {
        RESPONSE_ID: reply.get("id"),
        RESPONSE_MODEL: reply.get("model"),
        FINISH_REASONS: [str(reason) for reason in reasons if reason] or None,
    }


def _of_bill(reply: Any, finished: FinishedCall) -> dict[str, Any]:
    entry = finished.entry
    usage = reply.get("usage") if isinstance(reply, Mapping) else None
    usage = usage if isinstance(usage, Mapping) else {}
    return {
        INPUT_TOKENS: entry.prompt_tokens,
        OUTPUT_TOKENS: entry.completion_tokens,
        CACHED_TOKENS: _part(usage, "prompt_tokens_details", "cached_tokens"),
        REASONING_TOKENS: _part(usage, "completion_tokens_details", "reasoning_tokens"),
        COST: entry.cost_usd,
    }


def _part(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    details = usage.get(group)
    value = details.get(name) if isinstance(details, Mapping) else None
    return value if isinstance(value, int) else None
