"""What a run leaves in the server's histories: no example's text, no key; and it replays."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import dspex
from dspex.temporal.client import Client
from dspex.worker.worker import replayer
from dspex_practice import PracticeServer
from durable import task
from durable.conftest import Worker
from durable.task import right_kind

pytestmark = pytest.mark.integration


async def histories(client: Client, run_id: str) -> list[WorkflowHistory]:
    """The run's own history and those of its evaluations."""
    ids = [run_id, f"{run_id}/baseline", f"{run_id}/final"]
    return [await client.temporal.get_workflow_handle(each).fetch_history() for each in ids]


@pytest.fixture
async def finished(model: PracticeServer, client: Client, worker: Worker) -> list[WorkflowHistory]:
    optimizer = dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=2, max_labeled_demos=4)
    async with worker():
        run = await client.optimize(
            task.Fragile(), optimizer=optimizer, trainset=task.examples(30), valset=task.examples(200, 1000)
        )
        await run.result()
    return await histories(client, run.id)


async def test_no_example_and_no_key_is_in_a_history(finished: list[WorkflowHistory]) -> None:
    text = "".join(history.to_json() for history in finished)
    assert "OptimizeProgram" in text
    assert task.MARK not in text
    assert task.SECRET not in text
    assert "cannot digest" not in text, "a program's error may quote the example"


async def test_history_replays_in_a_fresh_process_state(finished: list[WorkflowHistory]) -> None:
    replay: Replayer = replayer()
    for history in finished:
        await replay.replay_workflow(history)


async def test_evaluation_costs_its_parent_few_events(finished: list[WorkflowHistory]) -> None:
    own, baseline, _ = (list(history.events) for history in finished)
    evaluations = [event for event in own if "child_workflow" in _attributes(event)]
    assert len(evaluations) <= 2 * 3, "three events an evaluation: initiated, started, completed"
    assert len(own) < 80
    assert len(baseline) < 200


def _attributes(event: Any) -> str:
    return str(event.WhichOneof("attributes"))
