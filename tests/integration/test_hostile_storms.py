"""Providers in trouble for long: no storm of calls, no slot kept busy, no wrong score, and on as soon as it is over.

Ten minutes pass in a moment: see `virtual_time`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from durable import task
from integration.raw_server import Asked, Behaviour, RawServer, completion, raw_server, refusing, saying
from integration.virtual_time import run_virtually
from support.waiting import until

import dspex
from dspex.errors import LMRateLimitError
from dspex.runner.imports import AllowedModules
from dspex.settings import configure, context, reset
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.connection import connect
from dspex.temporal.contracts.optimize import EVALUATE_CHUNK
from dspex.temporal.server import EmbeddedServer
from dspex.worker.worker import make_worker

EXAMPLES = 100
TEN_MINUTES = 600.0
ANSWER = saying(200, completion("[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]"))


class Weather:
    """A model that is in trouble until some time, and notes when it was asked."""

    def __init__(self, trouble: Behaviour, ends: float = TEN_MINUTES) -> None:
        self.trouble = trouble
        self.ends = ends
        self.asked_at: list[float] = []
        self.done_at = 0.0

    async def behave(self, asked: Asked) -> None:
        now = asyncio.get_running_loop().time()
        self.asked_at.append(now)
        await (self.trouble if now < self.ends else ANSWER)(asked)

    async def evaluate(self) -> Any:
        """An evaluation in this weather."""
        devset = [dspex.Example(question=f"{i}?", answer="42").with_inputs("question") for i in range(EXAMPLES)]
        async with raw_server(self.behave) as model:
            lm = dspex.LM("openai/m", api_base=model.url, api_key="sk-storm-12345678", cache=False)
            with context(lm=lm):
                evaluate = dspex.Evaluate(devset=devset, metric="exact_match")
                result = await evaluate.acall(dspex.Predict("question -> answer"))
        self.done_at = asyncio.get_running_loop().time()
        return result

    def during(self, start: float, stop: float) -> int:
        return sum(start <= at < stop for at in self.asked_at)


@pytest.mark.parametrize(
    ("headers", "most"),
    [("", 350), ("Retry-After: 2\r\n", 60), ("Retry-After: 30\r\n", 40), ("Retry-After: 700\r\n", 7)],
)
def test_ten_minutes_of_429_are_waited_out_without_a_storm(
    monkeypatch: pytest.MonkeyPatch, headers: str, most: int
) -> None:
    weather = Weather(refusing(429, "slow down", headers))
    result = run_virtually(monkeypatch, weather.evaluate)
    assert result.score == 100.0
    assert weather.during(0, 10) <= 20
    assert weather.during(0, TEN_MINUTES) <= most
    assert weather.during(TEN_MINUTES, 1e9) <= EXAMPLES * 1.1
    assert weather.done_at < TEN_MINUTES + 240


async def _hang_up(asked: Asked) -> None:
    asked.writer.close()


@pytest.mark.parametrize("trouble", [refusing(503), _hang_up], ids=["503", "hangs up"])
def test_breaker_leaves_a_server_that_is_down_alone_but_for_a_few_probes(
    monkeypatch: pytest.MonkeyPatch, trouble: Behaviour
) -> None:
    weather = Weather(trouble)
    result = run_virtually(monkeypatch, weather.evaluate)
    assert result.score == 100.0
    assert weather.during(0, 30) <= 20
    assert weather.during(60, TEN_MINUTES) <= 12
    assert weather.during(TEN_MINUTES, 1e9) == EXAMPLES
    assert weather.done_at < TEN_MINUTES + 90


def test_trouble_that_outlasts_patience_ends_the_evaluation_and_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    weather = Weather(refusing(429, "slow down", "Retry-After: 30\r\n"), ends=1e9)
    with pytest.raises(LMRateLimitError, match=r"rest|slow down"):
        run_virtually(monkeypatch, weather.evaluate)
    assert len(weather.asked_at) <= 100


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawServer]:
    monkeypatch.setenv(task.KEY_VARIABLE, "sk-storm-12345678")
    async with raw_server() as server:
        configure(lm=dspex.LM("openai/m", api_base=server.url, api_key_env=task.KEY_VARIABLE))
        yield server
    reset()


@pytest.mark.integration
async def test_durable_run_waits_by_a_timer_as_long_as_the_provider_asks(
    model: RawServer, temporal_server: EmbeddedServer, store: Store
) -> None:
    """No slot of the worker is held meanwhile: the activity has ended, and Temporal starts it again when it is time."""
    model.behaviour = refusing(429, "come back in an hour", "Retry-After: 3600\r\n")
    queue = "hostile-timer"
    client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
    connection = await connect(temporal_server.address)
    async with make_worker(connection, AllowedModules(("durable.task",)), store=store, task_queue=queue):
        run = await client.evaluate(task.program, devset=task.examples(40), metric=task.right_kind)
        handle = client.temporal.get_workflow_handle(run.id)

        async def waiting() -> Any:
            pending = (await handle.describe()).raw_description.pending_activities
            chunks = [one for one in pending if one.activity_type.name == EVALUATE_CHUNK]
            return chunks[0] if chunks and all(one.HasField("last_failure") for one in chunks) else None

        chunk: Any = await until(waiting, "all chunks wait")
        asked = len(model.requests)
        await handle.terminate("the test has seen enough")
    assert "asked for a rest" in chunk.last_failure.message or "come back in an hour" in chunk.last_failure.message
    wait = chunk.next_attempt_schedule_time.ToDatetime() - chunk.last_attempt_complete_time.ToDatetime()
    assert timedelta(minutes=55) < wait <= timedelta(minutes=61)
    assert asked <= 10
