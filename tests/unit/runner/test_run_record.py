"""A Python user's local run leaves a record, which the command line lists and shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.answering import AnsweringLM, field

import dspex
from dspex.bridge import wait_for
from dspex.cli.command_line import run
from dspex.clients.cost.budget import Budget
from dspex.primitives import Example
from dspex.settings import configure, reset
from dspex.store import RunRecord, Store
from dspex.teleprompt import BootstrapFewShot, LabeledFewShot

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM(lambda prompt: {"answer": field(prompt, "question")}))
    yield
    reset()


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def interrupting(example: Any, prediction: Any, trace: Any = None) -> bool:
    raise KeyboardInterrupt


def rows(count: int = 6) -> list[Example]:
    return [Example(question=f"q{n}", answer=f"q{n}").with_inputs("question") for n in range(count)]


def asked() -> int:
    """Calls of the LM so far."""
    return len(dspex.settings.lm.requests)


def records(store: Store) -> list[RunRecord]:
    return wait_for(store.runs.list())


def compiled(metric: Any = right, **options: Any) -> Any:
    program = dspex.Predict("question -> answer")
    return BootstrapFewShot(metric=metric, max_bootstrapped_demos=2).compile(program, trainset=rows(), **options)


@pytest.fixture
def recorded(store: Store) -> Store:
    wait_for(store.check())  # an open store is written at once
    return store


def test_record_says_what_was_run_and_what_it_came_to(recorded: Store) -> None:
    compiled()
    [record] = records(recorded)
    assert (record.status, record.optimizer, record.workflow_id) == ("completed", "bootstrap", None)
    assert record.program is not None
    assert record.result is not None
    assert (record.result["lm_calls"], record.result["stopped"]) == (asked(), False)


def test_kept_document_is_the_program(recorded: Store) -> None:
    program = compiled()
    [record] = records(recorded)
    assert record.result is not None
    document = wait_for(recorded.programs.get(record.result["program"]))
    assert document["demos"] == json.loads(json.dumps(program.dump_state()["demos"]))


def test_list_show_and_result_know_the_run(recorded: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    program = compiled()
    [record] = records(recorded)
    assert run(["runs", "list", "--json", "--temporal", NOWHERE]) == 0
    [listed] = json.loads(capsys.readouterr().out)["runs"]
    assert (listed["run_id"], listed["where"], listed["status"]) == (record.run_id, "local", "completed")
    assert run(["runs", "show", record.run_id, "--json", "--temporal", NOWHERE]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["optimizer"], shown["lm_calls"]) == ("bootstrap", asked())
    out = tmp_path / "program.json"
    assert run(["runs", "result", record.run_id, "--out", str(out), "--temporal", NOWHERE]) == 0
    loaded = dspex.Predict("question -> answer")
    loaded.load(out)
    assert [dict(demo) for demo in loaded.demos] == [dict(demo) for demo in program.demos]


def test_bill_of_a_run_with_a_budget_is_by_model_and_predictor(recorded: Store) -> None:
    compiled(budget=Budget(calls=100))
    [record] = records(recorded)
    assert record.result is not None
    assert [(line["calls"], line["predictor"]) for line in record.result["bill"]] == [(asked(), "self")]


def test_failed_run_is_recorded_with_its_error(recorded: Store) -> None:
    def broken(example: Any, prediction: Any, trace: Any = None) -> bool:
        raise ValueError("no such column")

    with pytest.raises(dspex.errors.DSPyError):
        BootstrapFewShot(metric=broken, max_errors=1).compile(dspex.Predict("question -> answer"), trainset=rows())
    [record] = records(recorded)
    assert record.status == "failed"
    assert record.result is not None
    assert "no such column" in record.result["error"]


def test_interrupted_run_is_recorded_as_such(recorded: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        compiled(interrupting)
    assert [record.status for record in records(recorded)] == ["interrupted"]


def test_bad_input_leaves_no_record(recorded: Store) -> None:
    with pytest.raises(dspex.errors.UsageError):
        LabeledFewShot().compile(dspex.Predict("question -> answer"), trainset=[])
    assert records(recorded) == []


def test_run_that_needs_no_store_only_warns_of_one_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DSPEX_STORE", str(tmp_path / "file" / "store.db"))
    assert compiled().demos
    assert "could not be written down" in caplog.text


def test_optimization_inside_a_run_is_part_of_that(recorded: Store) -> None:
    class Learner(dspex.Module):
        def forward(self, question: str) -> Any:
            return compiled()(question=question)

    dspex.Evaluate(devset=rows(2), metric=right)(Learner())
    assert records(recorded) == []


def test_code_that_has_a_name_is_kept_with_the_program(recorded: Store) -> None:
    compiled()
    [record] = records(recorded)
    assert record.result is not None
    document = wait_for(recorded.programs.get(record.result["program"]))
    assert document["metadata"]["dspex"]["program"]["module"] == "Predict"
