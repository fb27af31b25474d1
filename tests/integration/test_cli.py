"""The command line against a real Temporal server, real workers and the practice model."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli_fixtures import Folder, environment

from dspex.temporal.server import EmbeddedServer
from dspex_practice import PracticeOptions, PracticeServer

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(
    tmp_path: Path, temporal_server: EmbeddedServer, practice: PracticeServer, request: pytest.FixtureRequest
) -> Folder:
    queue = f"cli-{abs(hash(request.node.nodeid))}"
    return Folder(tmp_path, environment(tmp_path / "store.db", temporal_server.address, queue), practice.url)


@pytest.fixture
def slow_model() -> Iterator[PracticeServer]:
    with PracticeServer(PracticeOptions(latency=0.5)) as server:
        yield server


@pytest.mark.parametrize("target", ["text -> kind", "myapp:Sorter"])
def test_local_and_durable_runs_write_the_same_bytes(folder: Folder, target: str) -> None:
    options = ["--metric", "myapp:metric", "--seed", "3", "--concurrency", "16"]
    local = folder.optimize("--local", "--out", "local.json", "--store", "other.db", *options, target=target).result()
    with folder.worker("--import", "myapp"):
        durable = folder.optimize("--out", "durable.json", *options, target=target).result()
    assert (folder.path / "local.json").read_bytes() == (folder.path / "durable.json").read_bytes()
    for one in (local, durable):
        for line in one["bill"]:
            line["latency_s"] = None  # which no two runs have in common
    assert {**durable, **{name: local[name] for name in ("run_id", "workflow_id", "program_path")}} == local
    assert local["score"] > local["baseline_score"]


def test_a_detached_run_is_watched_and_its_result_fetched(folder: Folder) -> None:
    with folder.worker():
        started = folder.optimize("--id", "later", "--detach").result()
        assert (started["run_id"], started["workflow_id"], started["score"]) == ("later", "later", None)
        watched = folder.start("runs", "watch", "later", "--json").result()
    fetched = folder.start("runs", "result", "later", "--json", "--out", "later.json").result()
    assert fetched == {**watched, "program_path": "later.json"}
    attached = folder.optimize("--id", "later", "--out", "attached.json")
    assert attached.result() == {**watched, "program_path": "attached.json"}
    assert "done already, this is its result" in attached.err
    assert (folder.path / "later.json").read_bytes() == (folder.path / "attached.json").read_bytes()


def test_the_same_id_for_another_run_is_refused(folder: Folder) -> None:
    folder.optimize("--id", "spoken-for", "--detach").result()
    other = folder.optimize("--id", "spoken-for", "--seed", "8")
    assert other.status() == 2
    assert "There is a run 'spoken-for' already" in other.err
    folder.start("runs", "cancel", "spoken-for").status()


def test_a_run_without_a_worker_says_so_and_goes_on_when_one_joins(folder: Folder) -> None:
    run = folder.optimize()
    run.says("waiting: no worker polls the task queue")
    run.says("Start one: dspex worker --task-queue cli-")
    with folder.worker():
        assert run.result()["score"] is not None


def test_a_run_whose_code_no_worker_has_says_so_and_goes_on_when_one_joins(folder: Folder) -> None:
    with folder.worker():
        run = folder.optimize(target="myapp:Sorter")
        run.says("needs the module 'myapp', which this worker was not started with")
        run.says("dspex worker --import myapp")
        with folder.worker_py(DSPEX_IMPORTS="myapp"):
            assert run.result()["score"] is not None


def test_ctrl_c_leaves_a_durable_run_going(folder: Folder, slow_model: PracticeServer) -> None:
    folder.model[-1] = slow_model.url
    with folder.worker():
        run = folder.optimize("--id", "left", "--concurrency", "8")
        run.says("score before")
        run.interrupt()
        assert run.status() == 130
        assert "detached: the run left goes on. Watch it: dspex runs watch left" in run.err
        assert "running" in folder.start("runs", "show", "left").text()
        assert folder.optimize("--id", "left", "--concurrency", "8").result()["score"] is not None


def test_ctrl_c_on_a_local_run_loses_nothing_that_was_paid(folder: Folder, slow_model: PracticeServer) -> None:
    folder.model[-1] = slow_model.url
    run = folder.optimize("--local", "--id", "here", "--concurrency", "8")
    run.says("score before")
    run.interrupt()
    assert run.status() == 130
    folder.optimize("--local", "--id", "here", "--concurrency", "8").result()
    assert slow_model.stats()["duplicates"] == 0


def test_a_stopped_run_keeps_the_best_so_far(folder: Folder, slow_model: PracticeServer) -> None:
    folder.model[-1] = slow_model.url
    with folder.worker():
        run = folder.optimize("--id", "stopped", "--concurrency", "4")
        run.says("score before")
        assert folder.start("runs", "stop", "stopped").status() == 0
        assert run.result()["program_path"] == "program.json"
    assert json.loads((folder.path / "program.json").read_bytes())["metadata"]
    assert folder.start("runs", "stop", "stopped").status() == 2


def test_runs_pause_and_go_on(folder: Folder) -> None:
    folder.optimize("--id", "paused", "--detach").result()
    for order in ("pause", "resume"):
        with folder.worker():
            assert folder.start("runs", order, "paused").status() == 0
    with folder.worker():
        assert folder.start("runs", "watch", "paused", "--json").result()["run_id"] == "paused"


def test_an_evaluation_scores_the_same_here_and_durably(folder: Folder) -> None:
    command = ["evaluate", "text -> kind", "--data", "val.jsonl", *folder.model, "--json"]
    here = folder.start(*command).result()
    with folder.worker():
        durable = folder.start(*command, "--durable", "--id", "scored").result()
    assert (here["workflow_id"], durable["workflow_id"]) == (None, "scored")
    assert here["score"] == durable["score"]
    assert here["lm_calls"] == durable["lm_calls_from_ledger"] == 36


def test_a_wrong_key_ends_a_durable_run_at_once_in_the_providers_words(folder: Folder) -> None:
    with PracticeServer(PracticeOptions(api_key="right")) as model:
        folder.model[-1] = model.url
        with folder.worker(OPENAI_API_KEY="wrong-key"):
            run = folder.optimize()
            assert run.status() == 1
        assert model.stats()["calls"] <= 36
    assert "401: Incorrect API key provided." in run.err
    assert "wrong-key" not in run.err


def test_runs_are_listed_wherever_they_ran(folder: Folder) -> None:
    with folder.worker():
        folder.optimize("--id", "durable-one").result()
    folder.optimize("--local", "--id", "local-one").result()
    listed = folder.start("runs", "list", "--json", "--limit", "100").result()["runs"]
    where = {row["run_id"]: (row["where"], row["status"]) for row in listed}
    assert where["durable-one"] == ("durable", "completed")
    assert where["local-one"] == ("local", "completed")


def test_a_run_that_is_not_there_is_said(folder: Folder) -> None:
    shown = folder.start("runs", "show", "no-such-run")
    assert shown.status() == 2
    assert "There is no run 'no-such-run' on this server" in shown.err


def test_a_worker_with_a_module_that_is_not_there_does_not_start(folder: Folder) -> None:
    worker = folder.start("worker", "--import", "nosuchapp")
    assert worker.status() == 2
    assert worker.err == (
        "error: There is no module 'nosuchapp' to import. It is looked for in the current folder and in the installed "
        "packages.\n"
    )


def test_a_worker_ends_gracefully_on_sigterm(folder: Folder) -> None:
    with folder.worker() as worker:
        worker.says("ready")
        worker.popen.send_signal(signal.SIGTERM)
        assert worker.status() == 0
        assert "ended" in worker.err
