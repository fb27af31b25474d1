"""A durable run is one trace: from the client's call to the HTTP requests of a worker in another process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from durable import task
from integration.collector import Collected, Heard, attributes, collector, named
from integration.raw_server import RawServer, completion, raw_server, saying
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

import dspex
from dspex.errors import DSPyError
from dspex.runner.imports import AllowedModules
from dspex.settings import configure, context, reset
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.connection import connect
from dspex.temporal.server import EmbeddedServer
from dspex.temporal.tracing import RunTracing
from dspex.worker.worker import make_worker, sandbox

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-telemetry-0123456789"
FRUIT = saying(200, completion("[[ ## kind ## ]]\nfruit\n\n[[ ## completed ## ]]"))


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawServer]:
    """A model that takes everything for fruit."""
    monkeypatch.setenv(task.KEY_VARIABLE, KEY)
    async with raw_server(FRUIT) as server:
        configure(lm=dspex.LM("openai/practice", api_base=server.url, api_key_env=task.KEY_VARIABLE))
        yield server
    reset()


async def optimized(client: Client, **changes: Any) -> Any:
    optimizer = dspex.BootstrapFewShot(metric=task.right_kind, max_bootstrapped_demos=1)
    given: dict[str, Any] = {"trainset": task.examples(4), "valset": task.examples(6, 100), **changes}
    return await client.optimize(task.program, optimizer=optimizer, **given)


@asynccontextmanager
async def worker_process(address: str, queue: str, **environment: str) -> AsyncIterator[None]:
    """`dspex worker` in a process of its own; at the end it is asked to leave."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dspex", "worker", "--temporal", address, "--task-queue", queue),
        *("--import", "durable.task"),
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield
    finally:
        process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_one_trace_from_the_clients_call_to_the_requests_of_a_worker_process(
    model: RawServer, temporal_server: EmbeddedServer, store: Store
) -> None:
    heard, queue = Heard(), "telemetry-process"
    with context(telemetry=heard.telemetry):
        client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
        async with collector() as collected:
            async with worker_process(
                temporal_server.address,
                queue,
                OTEL_EXPORTER_OTLP_ENDPOINT=collected.url,
                OTEL_SERVICE_NAME="a-worker",
                DSPEX_TRACEPARENT_HOSTS="127.0.0.1",
            ):
                run = await optimized(client)
                await run.result()
            _check_trace(heard, collected, run.id)
    assert KEY not in str(collected.bodies)
    assert task.MARK not in str(collected.bodies)
    trace_id = f"{heard.named('optimize')[0].get_span_context().trace_id:032x}"  # type: ignore[union-attr]
    assert {asked.headers["traceparent"].split("-")[1] for asked in model.requests} == {trace_id}
    metrics = collected.metrics()
    assert "gen_ai.client.token.usage" in metrics, (metrics.keys(), [path for path, _ in collected.bodies])
    tokens = metrics["gen_ai.client.token.usage"]["histogram"]["dataPoints"]
    assert {point["sum"] for point in tokens} == {7 * len(model.requests), 3 * len(model.requests)}


def _check_trace(heard: Heard, collected: Collected, run_id: str) -> None:
    """Every span has its parent, up to the client's."""
    spans = collected.spans()
    (root,) = heard.named("optimize")
    (started,) = heard.named("StartWorkflow:OptimizeProgram")
    assert root.context is not None
    assert started.parent is not None
    assert started.parent.span_id == root.context.span_id
    assert {span["traceId"] for span in spans} == {f"{root.context.trace_id:032x}"}
    parents = {span["spanId"]: span["parentSpanId"] for span in spans}
    names = {span["spanId"]: span["name"] for span in spans}
    top = f"{started.context.span_id:016x}"  # type: ignore[union-attr]
    for request in named(spans, "POST"):
        at, way = request["spanId"], []
        while at != top:
            way.append(names[at])
            at = parents[at]
        assert way[:3] == ["POST", "chat practice", "Predict"]
        assert {"RunActivity:evaluate_chunk", "RunActivity:trace_chunk"} & set(way)
    chunks = [attributes(span) for span in named(spans, "RunActivity:evaluate_chunk")]
    assert {chunk["dspex.path"] for chunk in chunks} == {"baseline", "final"}
    assert {chunk["dspex.run.id"] for chunk in chunks} == {run_id}


async def test_history_of_a_traced_run_replays_with_and_without_tracing(
    model: RawServer, temporal_server: EmbeddedServer, store: Store
) -> None:
    """Also with no workflow in memory, where every task replays all that was before it."""
    heard, queue = Heard(), "telemetry-replay"
    configure(telemetry=heard.telemetry)
    client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
    connection = await connect(temporal_server.address)
    imports = AllowedModules(("durable.task",))
    async with make_worker(connection, imports, store=store, task_queue=queue, max_cached_workflows=0):
        run = await optimized(client)
        await run.result()
    before = len(heard.spans)
    history = await client.temporal.get_workflow_handle(run.id).fetch_history()
    for interceptors in ([], [RunTracing(heard.telemetry)]):
        replayer = Replayer(
            workflows=_workflows(),
            data_converter=pydantic_data_converter,
            workflow_runner=sandbox(),
            workflow_failure_exception_types=[DSPyError],
            interceptors=interceptors,
        )
        await replayer.replay_workflow(history)
    assert len(heard.spans) == before
    ids = [span.get_span_context().span_id for span in heard.spans]  # type: ignore[union-attr]
    assert len(ids) == len(set(ids))
    assert len(heard.named("RunWorkflow:OptimizeProgram")) == 1
    steps = [span.name for span in heard.spans if span.name.startswith("step: ")]
    assert steps[0] == "step: baseline"
    assert set(steps[1:-1]) == {"step: optimizing"}
    assert steps[-1] == "step: final"
    assert len({span.get_span_context().trace_id for span in heard.spans}) == 1  # type: ignore[union-attr]


def _workflows() -> list[type]:
    from dspex_workflows import ALL_WORKFLOWS

    return list(ALL_WORKFLOWS)


async def test_progress_is_asked_for_without_a_span(
    model: RawServer, temporal_server: EmbeddedServer, store: Store
) -> None:
    heard, queue = Heard(), "telemetry-queries"
    configure(telemetry=heard.telemetry)
    client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
    connection = await connect(temporal_server.address)
    async with make_worker(connection, AllowedModules(("durable.task",)), store=store, task_queue=queue):
        run = await optimized(client)
        await run.progress()
        await run.result()
    assert not [span.name for span in heard.spans if "Query" in span.name]


async def test_without_telemetry_nothing_of_it_travels(
    model: RawServer, temporal_server: EmbeddedServer, store: Store
) -> None:
    queue = "telemetry-off"
    client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
    connection = await connect(temporal_server.address)
    async with make_worker(connection, AllowedModules(("durable.task",)), store=store, task_queue=queue):
        run = await optimized(client)
        await run.result()
    history = await client.temporal.get_workflow_handle(run.id).fetch_history()
    assert "_tracer-data" not in history.to_json()
    assert not any("traceparent" in asked.headers for asked in model.requests)
