"""Marks in the trace of a durable run, made by its workflow.

A module apart from `tracing`, so that OpenTelemetry is not loaded for runs that are not traced.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow

_TRACED = "__temporal_opentelemetry_completed_span"
"""What Temporal's tracing interceptor gives to workflows."""


def mark(name: str, **attributes: Any) -> None:
    """Put a span without length into the run's trace, if the run is traced; a replay adds none.

    Args:
        name: The span's name.
        attributes: Its attributes, without the prefix ``dspex.``; those of None are left out.
    """
    if _TRACED in workflow.extern_functions():
        from temporalio.contrib.opentelemetry.workflow import completed_span

        named = {f"dspex.{key}": value for key, value in attributes.items() if value is not None}
        completed_span(name, attributes=named)
