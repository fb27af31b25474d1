"""When telemetry is on, and that it costs nothing when it is not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dspex.observability import Telemetry, span, switch, telemetry
from dspex.settings import context


def run(code: str, **environment: str) -> str:
    """What `code` prints in a process of its own, in which nobody has set providers."""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "", **environment})
    return ran.stdout.strip()


def test_it_is_off_unless_somebody_asks() -> None:
    code = "import sys; from dspex.observability import telemetry; print(telemetry(), 'opentelemetry' in sys.modules)"
    assert run(code) == "None False"
    assert run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") == "None False"


def test_providers_of_the_process_are_told() -> None:
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from dspex.observability import telemetry
before = telemetry()
provider = TracerProvider()
trace.set_tracer_provider(provider)
print(before, telemetry().tracer_provider is provider, telemetry() is telemetry())
"""
    assert run(code) == "None True True"


@pytest.mark.parametrize("variables", [{"DSPEX_TELEMETRY": "0"}, {"OTEL_SDK_DISABLED": "true"}])
def test_environment_switches_it_off(variables: dict[str, str]) -> None:
    code = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from dspex.observability import telemetry
trace.set_tracer_provider(TracerProvider())
print(telemetry())
"""
    assert run(code, **variables) == "None"


def test_who_asks_for_it_gets_providers() -> None:
    code = """
import dspex
from dspex.observability import telemetry
dspex.configure(telemetry=True)
print(type(telemetry().tracer_provider).__module__, type(telemetry().meter_provider).__module__)
"""
    exporters = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    assert run(code, **exporters).split() == ["opentelemetry.sdk.trace", "opentelemetry.sdk.metrics._internal"]
    asked = code.replace("dspex.configure(telemetry=True)", "")
    assert run(asked, DSPEX_TELEMETRY="1", **exporters) == run(code, **exporters)


def test_block_may_have_its_own_or_none() -> None:
    own = Telemetry()
    with context(telemetry=own):
        assert telemetry() is own
        with context(telemetry=False):
            assert telemetry() is None


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, None),
        ({"DSPEX_TELEMETRY": "1"}, True),
        ({"DSPEX_TELEMETRY": "off"}, False),
        ({"DSPEX_TELEMETRY": "1", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_what_the_environment_asks(environment: dict[str, str], asked: bool | None) -> None:
    assert switch.asked_by_environment(environment) is asked


def test_span_of_nobody_runs_its_block() -> None:
    ran: list[Any] = []
    with context(telemetry=False), span("step", rows=3):
        ran.append(1)
    assert ran == [1]
