"""``dspex evaluate --batch``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.cli.conftest import Command, dspex

from dspex.clients.batch.local import BatchWaitPolicy, batch_api
from dspex_practice import PracticeServer

__all__ = ["dspex"]


@pytest.fixture
def arguments(tmp_path: Path, practice: PracticeServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    rows = [{"text": f"a {what} number {n}", "kind": what} for n in range(10) for what in ("fruit", "tool")]
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    soon = BatchWaitPolicy(quiet=0.05, first_look=0.05)
    monkeypatch.setattr("dspex.clients.batch.local.batch_api", lambda: batch_api(patience=soon))
    return ["text -> kind", "--data", "val.jsonl", "--metric", "exact_match", "--lm", "openai/practice", "--json"]


def test_evaluation_by_batch_scores_as_any_other(
    dspex: Command, arguments: list[str], practice: PracticeServer
) -> None:
    batched = dspex("evaluate", *arguments, "--api-base", practice.url, "--batch")
    assert batched.status == 0, batched.err
    assert "by batch" in batched.err
    found = json.loads(batched.out)
    endpoints = practice.stats()["endpoints"]
    assert endpoints["chat/completions (batch)"]["calls"] == found["lm_calls"] == 20
    plain = json.loads(dspex("evaluate", *arguments, "--api-base", practice.url).out)
    assert (plain["score"], plain["lm_calls"]) == (found["score"], 0)


def test_server_without_batches_is_refused(dspex: Command, arguments: list[str], practice: PracticeServer) -> None:
    nowhere = practice.url.replace("/v1", "/nowhere")
    said = dspex("evaluate", *arguments, "--api-base", nowhere, "--batch")
    assert said.status != 0
    assert "no batch API" in said.err
    assert practice.stats()["answered"] == 0
