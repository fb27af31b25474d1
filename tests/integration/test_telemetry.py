"""What telemetry tells of calls, programs and runs in this process, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from integration.collector import Collected, Heard, attributes, collector
from integration.raw_server import RawServer, completion, raw_server, refusing, saying
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

import dspex
from dspex.clients.resilience import retry
from dspex.errors import AdapterParseError, LMAuthError
from dspex.observability import conventions as names
from dspex.observability import set_up
from dspex.settings import context
from dspex.store import Store

KEY = "sk-telemetry-0123456789"
SECRET_QUESTION = "what is the zebrafinch's secret?"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path) -> Iterator[None]:
    url = f"sqlite:///{tmp_path}/store.db"
    with context(store=url):
        yield
        Store.open(url).close()


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nap(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(retry, "rest", nap)


@pytest.fixture
async def model() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    with context(telemetry=made.telemetry):
        yield made


def lm_at(model: RawServer, **options: Any) -> dspex.LM:
    return dspex.LM("openai/m", api_base=model.url, api_key=KEY, **options)


async def test_call_is_a_span_of_the_genai_conventions(model: RawServer, heard: Heard) -> None:
    await lm_at(model, temperature=0.5, max_tokens=40).acall(SECRET_QUESTION)
    (call,), (request,) = heard.named("chat m"), heard.named("POST")
    assert call.kind is SpanKind.CLIENT
    assert dict(call.attributes or {}) == {
        names.OPERATION: "chat",
        names.PROVIDER: "openai",
        names.REQUEST_MODEL: "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 40,
        names.SERVER: "127.0.0.1",
        names.PORT: model.port,
        names.LEDGER: "miss",
        names.RESPONSE_ID: "chat-1",
        names.RESPONSE_MODEL: "m-1",
        names.FINISH_REASONS: ("stop",),
        names.INPUT_TOKENS: 7,
        names.OUTPUT_TOKENS: 3,
    }
    assert request.parent == call.context
    assert (request.attributes or {})[names.STATUS] == 200
    assert call.status.status_code is StatusCode.UNSET


async def test_tries_are_spans_and_are_counted(model: RawServer, heard: Heard) -> None:
    model.script = [refusing(503), refusing(429)]
    await lm_at(model).acall("hi")
    tries = [dict(span.attributes or {}) for span in heard.named("POST")]
    assert [one[names.STATUS] for one in tries] == [503, 429, 200]
    assert [one.get(names.RESENT) for one in tries] == [None, 1, 2]
    assert [one.get(names.ERROR_TYPE) for one in tries] == ["503", "429", None]
    assert len(heard.named("chat m")) == 1
    assert [point.value for point in heard.points("dspex.client.retries")] == [2]
    assert [point.value for point in heard.points("dspex.client.refusals")] == [1]
    assert heard.points("dspex.client.limiter.wait")[0].count == 3


async def test_what_the_ledger_answers_is_not_paid_for_again(model: RawServer, heard: Heard) -> None:
    lm = lm_at(model)
    await asyncio.gather(*[lm.acall("hi") for _ in range(3)])
    await lm.acall("hi")
    calls = [dict(span.attributes or {}) for span in heard.named("chat m")]
    assert sorted(call[names.LEDGER] for call in calls) == ["hit", "joined", "joined", "miss"]
    assert [call[names.LEDGER] for call in calls if names.INPUT_TOKENS in call] == ["miss"]
    lookups = {point.attributes[names.LEDGER]: point.value for point in heard.points("dspex.client.ledger.lookups")}
    assert lookups == {"miss": 1, "hit": 1, "joined": 2}
    assert [point.count for point in heard.points(names.DURATION_METRIC)] == [1]
    tokens = {point.attributes[names.TOKEN_TYPE]: point.sum for point in heard.points(names.TOKENS_METRIC)}
    assert tokens == {"input": 7, "output": 3}


async def test_failure_is_told_by_its_kind_and_not_in_its_words(model: RawServer, heard: Heard) -> None:
    model.script = [refusing(401, f"the key {KEY} is wrong, and so is {SECRET_QUESTION}")]
    with pytest.raises(LMAuthError):
        await lm_at(model).acall(SECRET_QUESTION)
    (call,) = heard.named("chat m")
    assert (call.attributes or {})[names.ERROR_TYPE] == "401"
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "LMAuthError")
    assert [point.attributes[names.ERROR_TYPE] for point in heard.points(names.DURATION_METRIC)] == ["401"]
    for secret in (KEY, "zebrafinch"):
        assert secret not in heard.everything()


async def test_content_is_recorded_for_those_who_ask(model: RawServer) -> None:
    heard = Heard(capture_content=True)

    def look(place: str) -> str:
        """Look around."""
        return f"saw {place}"

    with context(telemetry=heard.telemetry):
        await lm_at(model).acall(messages=[{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}])
        dspex.Tool(look)(place="home")
    call = dict(heard.named("chat m")[0].attributes or {})
    assert json.loads(str(call[names.INPUT_MESSAGES])) == [
        {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
    ]
    assert json.loads(str(call[names.OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "fine"}], "finish_reason": "stop"}
    ]
    tool = dict(heard.named("execute_tool look")[0].attributes or {})
    assert (tool[names.TOOL_ARGUMENTS], tool[names.TOOL_RESULT]) == ('{"place":"home"}', '"saw home"')


async def test_programs_and_tools_are_spans_around_their_calls(model: RawServer, heard: Heard) -> None:
    model.behaviour = saying(
        200, completion("[[ ## reasoning ## ]]\nso\n\n[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]")
    )
    devset = [dspex.Example(question=SECRET_QUESTION, answer="42").with_inputs("question")]
    with context(lm=lm_at(model)):
        result = await dspex.Evaluate(devset=devset, metric="exact_match").acall(
            dspex.ChainOfThought("question -> answer")
        )
    assert result.score == 100.0
    spans = {span.name: span for span in heard.spans}
    way = ["POST", "chat m", "Predict", "ChainOfThought", "evaluate exact_match"]
    for inner, outer in pairwise(way):
        assert spans[inner].parent == spans[outer].context
    assert (spans["Predict"].attributes or {})[names.SIGNATURE] == "question -> reasoning, answer"
    assert (spans["evaluate exact_match"].attributes or {})[names.EVALUATION_SCORE] == 100.0
    assert (spans["chat m"].attributes or {})[names.PATH] == "evaluate/0"
    assert "zebrafinch" not in heard.everything()


def test_synchronous_programs_are_traced_like_others(heard: Heard) -> None:
    """Through the engine's loop, which runs in a thread of its own."""

    class Plain(dspex.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = dspex.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.ask(question=question)

    with context(lm=dspex.utils.DummyLM([{"answer": "42"}])):
        assert Plain()(question="?").answer == "42"
    spans = {span.name: span for span in heard.spans}
    way = ["chat dummy", "Predict", "Plain"]
    for inner, outer in pairwise(way):
        assert spans[inner].parent == spans[outer].context


async def test_local_run_is_one_trace_with_a_span_for_each_step(model: RawServer, heard: Heard) -> None:
    model.behaviour = saying(200, completion("[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]"))
    trainset = [dspex.Example(question=f"{i}?", answer="42").with_inputs("question") for i in range(4)]
    optimizer = dspex.BootstrapFewShot(metric=lambda example, prediction, trace=None: True, max_bootstrapped_demos=1)
    with context(lm=lm_at(model)):
        await asyncio.to_thread(optimizer.compile, dspex.Predict("question -> answer"), trainset=trainset)
    (root,) = heard.named("optimize BootstrapFewShot")
    assert root.parent is None
    assert {span.context.trace_id for span in heard.spans if span.context} == {root.context and root.context.trace_id}
    steps = heard.named("step: optimizing")
    assert steps
    assert all(step.parent == root.context for step in steps)
    assert heard.named("trace")[0].parent == steps[0].context


async def test_program_that_fails_is_told_so(model: RawServer, heard: Heard) -> None:
    plain = dspex.ChatAdapter(use_json_adapter_fallback=False)
    with context(lm=lm_at(model), adapter=plain), pytest.raises(AdapterParseError):
        await dspex.Predict("question -> answer").acall(question="?")
    (failed,) = heard.named("Predict")
    assert (failed.attributes or {})[names.ERROR_TYPE] == "AdapterParseError"
    assert heard.named("chat m")[0].status.status_code is StatusCode.UNSET


async def test_trace_is_told_to_chosen_hosts_only(model: RawServer) -> None:
    for hosts, told in ((frozenset[str](), False), (frozenset({"elsewhere"}), False), (frozenset({"127.0.0.1"}), True)):
        heard = Heard(traceparent_hosts=hosts)
        with context(telemetry=heard.telemetry):
            await lm_at(model, cache=False).acall("hi")
        assert ("traceparent" in model.requests[-1].headers) is told
    request = heard.named("POST")[0].context
    assert request is not None
    assert model.requests[-1].headers["traceparent"].startswith(f"00-{request.trace_id:032x}-{request.span_id:016x}-")
    assert len(heard.named("POST")) == 1


async def test_gauges_say_how_it_stands_with_endpoints(model: RawServer, heard: Heard) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def hold(asked: Any) -> None:
        inside.set()
        await go_on.wait()
        await asked.reply(200, completion())

    model.behaviour = hold
    lm = lm_at(model, max_concurrency=1, cache=False)
    calls = [asyncio.create_task(lm.acall(f"{i}")) for i in range(3)]
    await inside.wait()
    here = {names.URL: f"{model.url}/chat/completions", names.SERVER: "127.0.0.1", names.PORT: model.port}

    def value(metric: str) -> Any:
        found = [point.value for point in heard.points(metric) if dict(point.attributes) == here]
        return found[0] if found else None

    assert value("dspex.client.active") == 1
    assert value("dspex.client.limiter.waiting") == 2
    assert value("dspex.client.breaker.state") == 0
    assert value("dspex.client.limiter.rate") is None
    go_on.set()
    await asyncio.gather(*calls)
    assert value("dspex.client.active") == 0


async def test_collector_gets_spans_and_metrics_as_otlp(heard: Heard, model: RawServer, monkeypatch: Any) -> None:
    """Through the exporters of the extra ``otlp``."""
    model.script = [refusing(503)]
    await lm_at(model).acall("hi")
    async with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b")
        await asyncio.to_thread(_export, heard)
    _check_otlp(heard, collected, model)
    assert {headers["api-key"] for headers in collected.headers} == {"a b"}


def _export(heard: Heard) -> None:
    set_up._span_exporters()["otlp"]().export(heard.spans)
    data = heard._reader.get_metrics_data()
    assert data is not None
    set_up._metric_exporters()["otlp"]().export(data)


def _check_otlp(heard: Heard, collected: Collected, model: RawServer) -> None:
    sent = {span["spanId"]: span for span in collected.spans()}
    (call,) = heard.named("chat m")
    assert call.context is not None
    found = sent[f"{call.context.span_id:016x}"]
    assert found["traceId"] == f"{call.context.trace_id:032x}"
    assert (found["name"], found["kind"], found["parentSpanId"]) == ("chat m", 3, "")
    assert int(found["endTimeUnixNano"]) >= int(found["startTimeUnixNano"]) > 0
    assert attributes(found)[names.PORT] == str(model.port)
    failed = next(span for span in sent.values() if attributes(span).get(names.ERROR_TYPE) == "503")
    assert failed["status"]["code"] == 2
    assert failed["parentSpanId"] == found["spanId"]
    metrics = collected.metrics()
    assert metrics["dspex.client.retries"]["sum"]["isMonotonic"] is True
    assert metrics["dspex.client.retries"]["sum"]["dataPoints"][0]["asInt"] == "1"
    duration = metrics[names.DURATION_METRIC]["histogram"]["dataPoints"][0]
    assert (duration["count"], len(duration["bucketCounts"])) == ("1", len(duration["explicitBounds"]) + 1)
    assert metrics["dspex.client.breaker.state"]["gauge"]["dataPoints"]


async def test_collector_that_is_away_costs_telemetry_and_nothing_else(
    heard: Heard, model: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await lm_at(model).acall("hi")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    exporter = set_up._span_exporters()["otlp"]()
    assert await asyncio.to_thread(exporter.export, heard.spans) is SpanExportResult.FAILURE


def test_missing_exporter_is_named_once_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_up._complain.cache_clear()
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    assert set_up._span_exporters()["otlp"]() is None
    assert set_up._metric_exporters()["otlp"]() is None
    assert [record.message for record in caplog.records if "pip install 'dspex[otlp]'" in record.message] != []
    assert len(caplog.records) == 1
