"""Spans of modules, tools, evaluations, optimizers and code, made by a callback.

So there is a span wherever a user's callback would be notified, and one mechanism for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from dspex.callback import BaseCallback
from dspex.observability.conventions import (
    EVALUATION_NAME,
    EVALUATION_SCORE,
    MODULE,
    OPERATION,
    PROVIDER,
    REQUEST_MODEL,
    SIGNATURE,
    TOOL_ARGUMENTS,
    TOOL_NAME,
    TOOL_RESULT,
    TOOL_TYPE,
    provider_of,
)
from dspex.observability.instruments import Telemetry, known
from dspex.observability.messages import arguments_or_result

if TYPE_CHECKING:
    from contextvars import Token

_Failure = BaseException | None


class SpanListener(BaseCallback):
    """Opens a span at each start and ends it at the end. `LM`s are left out: the client makes spans of their calls."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._open: dict[str, tuple[Span, Token[Any]]] = {}

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        fields = getattr(getattr(instance, "signature", None), "signature", None)
        attributes = {MODULE: _name(type(instance)), SIGNATURE: fields if isinstance(fields, str) else None}
        self._start(call_id, type(instance).__name__, attributes)

    def on_module_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        self._end(call_id, exception)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if hasattr(instance, "engine_transport"):
            return  # an `LM`
        model = str(getattr(instance, "model", ""))
        attributes = {OPERATION: "chat", REQUEST_MODEL: model, PROVIDER: provider_of(model) if "/" in model else None}
        self._start(call_id, f"chat {model}", attributes, SpanKind.CLIENT)

    def on_lm_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        self._end(call_id, exception)

    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        name = str(getattr(instance, "name", type(instance).__name__))
        attributes = {OPERATION: "execute_tool", TOOL_NAME: name, TOOL_TYPE: "function"}
        if self._telemetry.captures:
            attributes[TOOL_ARGUMENTS] = arguments_or_result(inputs.get("kwargs"))
        self._start(call_id, f"execute_tool {name}", attributes)

    def on_tool_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        result = {TOOL_RESULT: arguments_or_result(outputs)} if self._telemetry.captures and exception is None else {}
        self._end(call_id, exception, result)

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        metric = inputs.get("metric") or getattr(instance, "metric", None)
        devset = inputs.get("devset") or getattr(instance, "devset", None)
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", None) or type(metric).__name__
        self._start(call_id, f"evaluate {name}", {EVALUATION_NAME: name, "dspex.rows": len(devset or ())})

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        self._end(call_id, exception, {EVALUATION_SCORE: getattr(outputs, "score", None)})

    def on_compile_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self._start(call_id, f"optimize {type(instance).__name__}", {"dspex.optimizer": type(instance).__name__})

    def on_compile_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        self._end(call_id, exception)

    def on_interpreter_execute_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        attributes = {OPERATION: "execute_tool", TOOL_NAME: "python", TOOL_TYPE: "extension"}
        self._start(call_id, "execute_tool python", attributes)

    def on_interpreter_execute_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None:
        self._end(call_id, exception)

    def _start(self, call_id: str, name: str, attributes: dict[str, Any], kind: SpanKind = SpanKind.INTERNAL) -> None:
        span = self._telemetry.tracer.start_span(name, kind=kind, attributes=known(attributes))
        self._open[call_id] = span, context.attach(set_span_in_context(span))

    def _end(self, call_id: str, failure: _Failure, attributes: dict[str, Any] | None = None) -> None:
        started = self._open.pop(call_id, None)
        if started is None:
            return
        span, token = started
        context.detach(token)
        if failure is not None:
            self._telemetry.failed(span, failure)
        else:
            span.set_attributes(known(attributes or {}))
        span.end()


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
