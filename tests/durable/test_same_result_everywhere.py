"""Local, durable, and durable through trouble end in the same bytes and the same scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import dspex
from dspex.runner.optimize import optimize_locally
from dspex.runner.references import reference
from dspex.runner.saved import document_bytes, program_bytes
from dspex.settings import context
from dspex.store import Store
from dspex.teleprompt.registry import OPTIMIZERS
from dspex.temporal.client import Client
from dspex_practice import PracticeOptions, PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

pytestmark = pytest.mark.integration

ARGUMENTS: dict[str, dict[str, Any]] = {
    "labeled": {"k": 6},
    "bootstrap": {"max_bootstrapped_demos": 3, "max_labeled_demos": 6, "max_rounds": 2},
}
PROGRAMS: dict[str, Callable[[], dspex.Module]] = {
    "described": lambda: dspex.ChainOfThought("text -> kind"),
    "named": lambda: task.program,
    "two steps": task.TwoSteps,
    "fragile": task.Fragile,
}

Outcome = tuple[bytes, float | None, float | None, int]


@pytest.fixture(params=sorted(OPTIMIZERS))
def optimizer(request: pytest.FixtureRequest) -> dspex.Optimizer[Any]:
    """Every optimizer there is, with arguments that make it do something."""
    arguments = dict(ARGUMENTS[request.param])
    if request.param != "labeled":
        arguments["metric"] = right_kind
    return OPTIMIZERS[request.param](**arguments)


@pytest.fixture(params=sorted(PROGRAMS))
def program(request: pytest.FixtureRequest) -> dspex.Module:
    return PROGRAMS[request.param]()


async def locally(program: dspex.Module, optimizer: dspex.Optimizer[Any]) -> Outcome:
    found = await optimize_locally(
        optimizer, program, trainset=task.examples(30), valset=task.examples(40, 1000), metric=right_kind
    )
    return program_bytes(found.program, reference(program)), found.score, found.baseline_score, found.n_failed


async def durably(client: Client, program: dspex.Module, optimizer: dspex.Optimizer[Any]) -> Outcome:
    run = await client.optimize(
        program,
        optimizer=optimizer,
        trainset=task.examples(30),
        valset=task.examples(40, 1000),
        metric=right_kind,
    )
    result = await run.result()
    assert result.document is not None
    return document_bytes(result.document), result.score, result.baseline_score, result.n_failed


async def test_durable_run_finds_what_a_local_one_finds(
    program: dspex.Module,
    optimizer: dspex.Optimizer[Any],
    model: PracticeServer,
    client: Client,
    worker: Worker,
    tmp_path: Any,
) -> None:
    with context(store=str(tmp_path / "local.db")):  # so that the durable run asks the model itself
        local = await locally(program, optimizer)
    async with worker():
        assert await durably(client, program, optimizer) == local


async def test_replay_at_every_task_changes_nothing(
    optimizer: dspex.Optimizer[Any], model: PracticeServer, client: Client, worker: Worker
) -> None:
    local = await locally(task.program, optimizer)
    async with worker(max_cached_workflows=0):
        assert await durably(client, task.program, optimizer) == local


async def test_a_storm_of_errors_changes_nothing(
    optimizer: dspex.Optimizer[Any],
    model: PracticeServer,
    client: Client,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    with context(store=str(tmp_path / "calm.db")):
        calm = await locally(task.program, optimizer)
    stormy = PracticeOptions(error_rate=0.3, retry_after=0.01, api_key=task.SECRET)
    with PracticeServer(stormy) as server:
        lm = dspex.LM("openai/practice", api_base=server.url, api_key_env=task.KEY_VARIABLE)
        with context(lm=lm):
            async with worker():
                found = await durably(client, task.program, optimizer)
        errors = sum(server.stats()["errors"].values())
    assert found == calm
    assert errors > 0


async def test_compile_is_durable_after_one_line(
    model: PracticeServer, client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizer = dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=2, max_labeled_demos=4)
    here = optimizer.compile(task.program, trainset=task.examples(20))
    with context(temporal=client.temporal.service_client.config.target_host, task_queue=client.task_queue):
        there = optimizer.compile(task.program, trainset=task.examples(20))
    assert there.dump_state() == here.dump_state()
    assert [run async for run in client.runs()], "the second was a run of the server"
