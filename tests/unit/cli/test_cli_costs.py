"""What runs cost, may cost and would cost, on the command line; and the ledger that remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.cli.conftest import Command

from dspex.bridge import wait_for
from dspex.store import LedgerEntry, Store
from dspex_practice import PracticeServer

NOWHERE = "127.0.0.1:1"
"""Where no Temporal server is."""


@pytest.fixture
def options(tmp_path: Path, practice: PracticeServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)
    rows = [{"text": f"a {what} number {n}", "kind": what} for n in range(10) for what in ("fruit", "tool")]
    for name in ("train", "val"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({**row, "set": name}) + "\n" for row in rows))
    lm = ["--lm", "openai/practice", "--api-base", practice.url, "--max-tokens", "50"]
    return ["text -> kind", "--metric", "exact_match", *lm, "--price", "input=1,output=2"]


FILES = ["--train", "train.jsonl", "--val", "val.jsonl"]


def last(dspex: Command, *arguments: object) -> dict[str, Any]:
    said = dspex(*arguments, "--json")
    assert said.status == 0, said.err
    found: dict[str, Any] = json.loads(said.out.splitlines()[-1])
    return found


def dollars(practice: PracticeServer) -> float:
    stats = practice.stats()
    return float((stats["prompt_tokens"] * 1 + stats["completion_tokens"] * 2) / 1e6)


def test_dry_run_says_what_a_run_would_cost_at_most_and_calls_nothing(
    dspex: Command, options: list[str], practice: PracticeServer, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    found = last(dspex, "optimize", *options, *FILES, "--dry-run")
    assert practice.stats()["calls"] == 0
    assert [path for path in sorted(tmp_path.iterdir()) if path not in before and "store.db" not in path.name] == []
    run = last(dspex, "optimize", *options, *FILES, "--local")
    assert run["lm_calls"] <= found["calls"]
    assert run["cost_usd"] == pytest.approx(dollars(practice), abs=1e-10)
    assert run["cost_usd"] <= found["most_usd"]
    said = dspex("optimize", *options, *FILES, "--dry-run", "--budget-usd", "3")
    assert "at most" in said.out
    assert "$3" in said.out


def test_bill_is_split_by_model_and_predictor(dspex: Command, options: list[str], practice: PracticeServer) -> None:
    found = last(dspex, "optimize", *options, *FILES, "--local", "--id", "one", "--module", "ChainOfThought")
    (line,) = found["bill"]
    assert (line["model"], line["predictor"], line["calls"]) == ("openai/practice", "predict", found["lm_calls"])
    assert line["cost_usd"] == pytest.approx(found["cost_usd"]) == pytest.approx(dollars(practice), abs=1e-10)
    shown = last(dspex, "runs", "show", "one")
    assert shown["bill"] == found["bill"]
    assert "openai/practice predict" in dspex("runs", "show", "one").out


def test_run_that_has_spent_its_budget_ends_with_the_best_so_far_and_goes_on_with_more(
    dspex: Command, options: list[str], practice: PracticeServer
) -> None:
    found = last(dspex, "optimize", *options, *FILES, "--local", "--id", "one", "--budget-calls", "22")
    assert (found["stopped"], found["lm_calls"], practice.stats()["answered"]) == ("budget", 22, 22)
    assert last(dspex, "runs", "budget", "one")["budget"]["used_calls"] == 22
    assert last(dspex, "runs", "budget", "one", "--calls", "500")["budget"]["calls"] == 500
    again = last(dspex, "optimize", *options, *FILES, "--local", "--id", "one")
    assert (again["stopped"], again["lm_calls"]) == (False, practice.stats()["answered"])
    assert practice.stats()["duplicates"] == 0
    assert "22 of 22 calls" not in dspex("runs", "show", "one").out


def test_evaluation_out_of_budget_fails_and_says_what_it_has_spent(
    dspex: Command, options: list[str], practice: PracticeServer
) -> None:
    said = dspex("evaluate", *options, "--data", "val.jsonl", "--budget-usd", "0.002", "--id", "scored")
    assert said.status == 1
    assert "of $0.0020" in said.err
    assert dollars(practice) <= 0.002
    found = last(dspex, "evaluate", *options, "--data", "val.jsonl", "--budget-usd", "1", "--id", "scored")
    assert found["cost_usd"] == pytest.approx(dollars(practice), abs=1e-10)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--price", "cheap"], "input=0.15"),
        (["--price", "input=1"], "input and output"),
        (["--budget-usd", "-1"], "budget-usd"),
        (["--budget-calls", "1.5"], "budget-calls"),
    ],
)
def test_bad_prices_and_budgets_run_nothing(
    dspex: Command, options: list[str], practice: PracticeServer, more: list[str], words: str
) -> None:
    said = dspex("optimize", *options, *FILES, "--local", *more)
    assert said.status == 2
    assert words in said.err
    assert practice.stats()["calls"] == 0


def test_budget_in_dollars_needs_a_price(dspex: Command, options: list[str], practice: PracticeServer) -> None:
    said = dspex("optimize", *options[: options.index("--price")], *FILES, "--local", "--budget-usd", "1")
    assert said.status == 2
    assert "no price" in said.err
    assert practice.stats()["calls"] == 0


def test_ledger_is_counted_exported_and_pruned_and_the_bill_stays(
    dspex: Command, options: list[str], tmp_path: Path
) -> None:
    run = last(dspex, "optimize", *options, *FILES, "--local", "--id", "one")
    stats = last(dspex, "ledger", "stats")
    assert stats["entries"] == run["lm_calls"]
    assert "openai/practice" in dspex("ledger", "stats").out
    assert dspex("ledger", "export", "--run", "one", "--out", "calls.jsonl").status == 0
    rows = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert len(rows) == run["lm_calls"]
    assert {row["predictor"] for row in rows} == {"self"}
    assert {row["outcome"] for row in rows} == {"stop"}
    assert all("choices" in row["response"] and row["recorded_at"].endswith("Z") for row in rows)
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(run["cost_usd"])
    would = last(dspex, "ledger", "prune", "--older-than", "0m", "--dry-run")
    assert (would["entries"], would["dry_run"]) == (run["lm_calls"], True)
    assert last(dspex, "ledger", "stats")["entries"] == run["lm_calls"]
    assert last(dspex, "ledger", "prune", "--run", "one", "--compact")["entries"] == run["lm_calls"]
    assert last(dspex, "ledger", "stats")["entries"] == 0
    assert last(dspex, "runs", "show", "one")["cost_usd"] == run["cost_usd"]
    assert dspex("ledger", "export").out == ""


def test_runs_in_progress_are_not_pruned(dspex: Command, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)

    async def fill() -> None:
        for key, run in (("a", "local"), ("b", "durable"), ("c", "done"), ("d", None)):
            await store.ledger.record(LedgerEntry(key, "openai/test", b"{}", 1, 1, 0.1, 0.1, run))
        await store.runs.upsert("local", "running")
        await store.runs.upsert("done", "completed")

    wait_for(fill())
    found = last(dspex, "ledger", "prune", "--older-than", "0m")
    assert (found["entries"], found["spared"]) == (2, ["durable", "local"])
    said = dspex("ledger", "prune", "--run", "local")
    assert said.status == 2
    assert "in progress" in said.err


@pytest.mark.parametrize("arguments", [[], ["--older-than", "soon"], ["--max-size", "huge"], ["--older-than", "-3d"]])
def test_pruning_wants_to_know_what(dspex: Command, arguments: list[str]) -> None:
    assert dspex("ledger", "prune", *arguments).status == 2


def test_no_budget_and_no_run(dspex: Command, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    last(dspex, "evaluate", *options, "--data", "val.jsonl", "--id", "free")
    assert last(dspex, "runs", "budget", "free") == {"run_id": "free", "budget": None}
    assert dspex("runs", "budget", "nobody", "--usd", "1").status != 0
