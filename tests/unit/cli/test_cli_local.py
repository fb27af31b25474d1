"""Runs in this process: what is printed, written and remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.cli.conftest import Command

import dspex as library
from dspex_practice import PracticeServer

KEYS = [
    "run_id", "workflow_id", "score", "baseline_score", "program_path", "lm_calls", "lm_calls_from_ledger",
    "prompt_tokens", "completion_tokens", "cost_usd", "n_failed", "stopped", "cached_tokens", "reasoning_tokens",
    "bill",
]  # fmt: skip


@pytest.fixture
def options(tmp_path: Path, practice: PracticeServer) -> list[str]:
    rows = [{"text": f"a {what} number {n}", "kind": what} for n in range(10) for what in ("fruit", "tool")]
    for name in ("train", "val"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ["--metric", "exact_match", "--lm", "openai/practice", "--api-base", practice.url]


def optimize(dspex: Command, options: list[str], *more: str) -> dict[str, object]:
    said = dspex("optimize", "text -> kind", "--train", "train.jsonl", *options, "--local", "--json", *more)
    assert said.status == 0, said.err
    found: dict[str, object] = json.loads(said.out.splitlines()[-1])
    return found


def test_json_has_all_keys_and_the_program_can_be_loaded(dspex: Command, options: list[str], tmp_path: Path) -> None:
    found = optimize(dspex, options, "--val", "val.jsonl", "--id", "first", "--out", "best.json")
    assert list(found) == KEYS
    assert (found["run_id"], found["workflow_id"], found["program_path"]) == ("first", None, "best.json")
    assert isinstance(found["lm_calls"], int)
    assert found["lm_calls"] > 0
    program = library.Predict("text -> kind")
    program.load(str(tmp_path / "best.json"))
    assert program.demos


def test_the_same_again_pays_nothing_and_finds_the_same(
    dspex: Command, options: list[str], tmp_path: Path, practice: PracticeServer
) -> None:
    optimize(dspex, options, "--val", "val.jsonl", "--out", "a.json")
    paid = practice.stats()["calls"]
    again = optimize(dspex, options, "--val", "val.jsonl", "--out", "b.json")
    assert practice.stats()["calls"] == paid
    assert (again["lm_calls"], again["lm_calls_from_ledger"]) == (0, paid)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_saved_program_can_be_evaluated(dspex: Command, options: list[str]) -> None:
    found = optimize(dspex, options, "--val", "val.jsonl")
    said = dspex("evaluate", "program.json", "--data", "val.jsonl", *options, "--json")
    scored = json.loads(said.out)
    assert list(scored) == KEYS
    assert scored["score"] == found["score"]


def test_a_seed_is_the_optimizers(dspex: Command, options: list[str], tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2"), ("c", "1")):
        optimize(dspex, [*options, "--optimizer", "labeled", "--set", "k=3"], "--seed", seed, "--out", f"{name}.json")
    written = {name: (tmp_path / f"{name}.json").read_bytes() for name in "abc"}
    assert written["a"] == written["c"] != written["b"]


def test_failed_examples_are_listed_with_their_errors(dspex: Command, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pickymetric.py").write_text(
        "def metric(example, prediction):\n    if '3' in example.text: raise ValueError('no threes')\n    return True\n"
    )
    options[options.index("exact_match")] = "pickymetric:metric"
    said = dspex("evaluate", "text -> kind", "--data", "val.jsonl", *options)
    assert said.status == 0
    assert "failed: evaluate, example 6: ValueError: no threes" in said.err
    assert "failed   2 examples" in said.out


def test_a_local_run_is_remembered(dspex: Command, options: list[str], tmp_path: Path) -> None:
    server = ["--temporal", "127.0.0.1:9"]
    found = optimize(dspex, options, "--val", "val.jsonl", "--id", "kept")
    [listed] = json.loads(dspex("runs", "list", "--json", *server).out)["runs"]
    assert (listed["run_id"], listed["where"], listed["status"]) == ("kept", "local", "completed")
    said = dspex("runs", "result", "kept", "--out", "again.json", "--json", *server)
    assert json.loads(said.out) == {**found, "program_path": "again.json"}
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "program.json").read_bytes()
    assert "status                completed" in dspex("runs", "show", "kept", *server).out
    assert dspex("runs", "stop", "kept", *server).status == 2


def test_a_wrong_key_ends_the_run_at_once_in_the_providers_words(
    dspex: Command, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dspex_practice import PracticeOptions

    monkeypatch.setenv("SOME_KEY", "wrong-one")
    with PracticeServer(PracticeOptions(api_key="right-one")) as server:
        options[-1] = server.url
        said = dspex("evaluate", "text -> kind", "--data", "val.jsonl", *options, "--api-key-env", "SOME_KEY")
        assert server.stats()["calls"] <= 20  # none was tried again
    assert said.status == 1
    assert "401: Incorrect API key provided." in said.err
    assert "wrong-one" not in said.err


def test_a_program_that_cannot_be_written_is_not_lost(dspex: Command, options: list[str], tmp_path: Path) -> None:
    command = ["optimize", "text -> kind", "--train", "train.jsonl", *options, "--local", "--id", "x"]
    said = dspex(*command, "--out", "/dev/full")
    assert said.status == 1
    assert "no room left" in said.err
    said = dspex("runs", "result", "x", "--out", "saved.json", "--temporal", "127.0.0.1:9")
    assert said.status == 0
    assert (tmp_path / "saved.json").stat().st_size > 0
