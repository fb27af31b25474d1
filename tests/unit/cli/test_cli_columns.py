from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.cli.inputs.data import Columns, FileRows, choose_columns
from dspex.cli.inputs.target import TargetOptions, resolve_target
from dspex.datafiles import DataFile
from dspex.errors import UsageError
from dspex.store import Store


class Plain(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspex.Predict("question, context -> answer")

    def forward(self, question: str, context: str = "") -> Any:
        return self.answer(question=question, context=context)


class Loose(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspex.Predict("question, context -> answer")

    def forward(self, **given: Any) -> Any:
        return self.answer(**given)


@pytest.fixture(autouse=True)
def _app(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("columns_app")
    module.plain, module.loose, module.metric = Plain(), Loose(), lambda example, prediction: True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "columns_app", module)


def file(tmp_path: Path, *rows: dict[str, Any]) -> DataFile:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataFile(path)


def chosen(tmp_path: Path, target: str, row: dict[str, Any], metric: str, inputs: str | None = None) -> Columns:
    return choose_columns(file(tmp_path, row), resolve_target(TargetOptions(target, metric)), inputs)


def test_a_signature_is_given_its_input_fields(tmp_path: Path) -> None:
    columns = chosen(tmp_path, "text -> intent", {"id": 7, "text": "a", "intent": "b"}, "exact_match")
    assert columns.inputs == ("text",)
    assert columns.labels == ("intent",)


def test_a_built_in_metric_sees_only_labels_that_the_signature_gives(tmp_path: Path) -> None:
    row = {"id": 7, "text": "a", "intent": "b"}
    columns = chosen(tmp_path, "text -> intent", row, "exact_match")
    [example] = FileRows(file(tmp_path, row), columns).examples()
    assert example.toDict() == {"text": "a", "intent": "b"}


def test_a_metric_of_ones_own_sees_every_column(tmp_path: Path) -> None:
    row = {"id": 7, "text": "a", "intent": "b"}
    columns = chosen(tmp_path, "text -> intent", row, "columns_app:metric")
    [example] = FileRows(file(tmp_path, row), columns).examples()
    assert example.toDict() == row
    assert example.inputs().toDict() == {"text": "a"}


def test_a_missing_label_is_named_with_the_columns_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no column 'intent'\. Columns there: text, label\."):
        chosen(tmp_path, "text -> intent", {"text": "a", "label": "b"}, "exact_match")


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no columns 'question', 'hint'\. Columns there: q, answer\."):
        chosen(tmp_path, "question, hint -> answer", {"q": "a", "answer": "b"}, "exact_match")


def test_a_program_is_given_what_its_forward_takes(tmp_path: Path) -> None:
    row = {"question": "a", "answer": "b"}
    assert chosen(tmp_path, "columns_app:plain", row, "exact_match").inputs == ("question",)
    row["context"] = "c"
    assert chosen(tmp_path, "columns_app:plain", row, "exact_match").inputs == ("question", "context")


def test_a_program_that_takes_anything_is_given_what_its_predictor_takes(tmp_path: Path) -> None:
    row = {"context": "c", "question": "a", "answer": "b", "more": 1}
    assert set(chosen(tmp_path, "columns_app:loose", row, "columns_app:metric").inputs) == {"question", "context"}


def test_where_it_cannot_be_told_the_columns_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Name them with --inputs\. Columns: q, a\."):
        chosen(tmp_path, "columns_app:loose", {"q": 1, "a": 2}, "columns_app:metric")


def test_inputs_can_be_named(tmp_path: Path) -> None:
    assert chosen(tmp_path, "columns_app:loose", {"q": 1, "a": 2}, "exact_match", "q").inputs == ("q",)
    with pytest.raises(UsageError, match=r"no column 'z'\. Columns there: q, a\."):
        chosen(tmp_path, "columns_app:loose", {"q": 1, "a": 2}, "exact_match", "q,z")
    with pytest.raises(UsageError, match="--inputs names no column"):
        chosen(tmp_path, "columns_app:loose", {"q": 1, "a": 2}, "exact_match", " , ")


def test_a_built_in_metric_needs_a_label(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every column \\(question\\) is an input"):
        chosen(tmp_path, "columns_app:plain", {"question": "a"}, "exact_match")


def test_a_later_row_without_a_column_is_named_by_its_line(tmp_path: Path) -> None:
    data = file(tmp_path, {"text": "a", "intent": "b"}, {"text": "c"})
    columns = choose_columns(data, resolve_target(TargetOptions("text -> intent", "exact_match")), None)
    with pytest.raises(UsageError, match=r"line 2: no column 'intent'"):
        FileRows(data, columns).examples()


async def test_bad_rows_do_not_get_into_the_store(tmp_path: Path, store: Store) -> None:
    data = file(tmp_path, {"text": "a", "intent": "b"}, {"text": "c"})
    with pytest.raises(UsageError, match=r"line 2: no column 'intent'"):
        await FileRows(data, Columns(("text",), ("intent",))).put(store)


async def test_stored_rows_are_the_examples_of_a_local_run(tmp_path: Path, store: Store) -> None:
    data = file(tmp_path, *({"text": f"t{n}", "intent": n, "x": [n, None, 0.1]} for n in range(50)))
    columns = Columns(("text",), ("intent",))
    ref = await FileRows(data, columns).put(store)
    assert ref.inputs == ["text"]
    assert await store.datasets.rows(ref.sha) == [example.toDict() for example in FileRows(data, columns).examples()]
