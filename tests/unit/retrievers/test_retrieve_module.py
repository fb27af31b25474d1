"""`Retrieve`: asks the configured retrieval model, whatever it returns; is saved with its program."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dspex
from dspex.bridge import run_sync
from dspex.errors import UsageError
from dspex.retrievers import Retrieve
from dspex.retrievers.retrieve import single_query_passage


@pytest.mark.parametrize(
    "found",
    [
        ["one", "two"],
        [SimpleNamespace(long_text="one"), {"long_text": "two"}],
        dspex.Prediction(passages=["one", "two"]),
        iter(["one", "two"]),
    ],
)
def test_every_form_of_passages_is_understood(found: Any) -> None:
    with dspex.context(rm=lambda query, k: found):
        assert Retrieve()("q").passages == ["one", "two"]


@pytest.mark.parametrize("found", ["one", {"long_text": "one"}, SimpleNamespace(long_text="one")])
def test_one_passage_alone_is_a_list_of_one(found: Any) -> None:
    with dspex.context(rm=lambda query, k: found):
        assert Retrieve()("q").passages == ["one"]


async def test_the_model_is_told_k_and_further_arguments_both_ways() -> None:
    def rm(query: str, k: int, **more: Any) -> list[str]:
        return [f"{query} {k} {more}"]

    async def later(query: str, k: int, **more: Any) -> list[str]:
        return rm(query, k, **more)

    retrieve = Retrieve(k=2)
    for model in (rm, later):
        with dspex.context(rm=model):
            for found in (await retrieve.acall("q", k=5, by="date"), await run_sync(retrieve, "q", k=5, by="date")):
                assert found.passages == ["q 5 {'by': 'date'}"]


def test_without_a_model_nothing_is_found() -> None:
    with pytest.raises(AssertionError, match=r"No RM is loaded\. Configure"):
        Retrieve()("q")


def test_passages_without_text_are_told() -> None:
    with dspex.context(rm=lambda query, k: [3]), pytest.raises(UsageError, match="int without `long_text`"):
        Retrieve()("q")


class Program(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.retrieve = Retrieve(k=3)
        self.answer = dspex.Predict("passages, question -> answer")


def test_a_program_that_holds_it_is_saved_copied_and_reset(tmp_path: Path) -> None:
    """Of DSPy 3.4.1 such a program cannot be saved."""
    program = Program()
    program.retrieve.k = 9
    program.save(tmp_path / "program.json")
    again = Program()
    again.load(tmp_path / "program.json")
    assert again.retrieve.k == 9
    assert again.deepcopy().retrieve.k == again.reset_copy().retrieve.k == 9
    assert [name for name, _ in again.named_predictors()] == ["answer"]


def test_a_state_without_k_changes_nothing() -> None:
    retrieve = Retrieve(k=4)
    with pytest.raises(UsageError, match="number of passages"):
        retrieve.load_state({})
    assert retrieve.k == 4


def test_passages_are_turned_into_columns() -> None:
    found = single_query_passage([{"long_text": "a", "score": 1}, {"long_text": "b", "score": 2}])
    assert (found.passages, found.score) == (["a", "b"], [1, 2])
