"""`DataLoader`: files of every format, and what is wrong in them."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.datasets import MATH, Colors, DataLoader, Dataset, HotPotQA
from dspex.errors import UsageError

LOADER = DataLoader()


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_columns_of_a_csv_file_have_types(tmp_path: Path) -> None:
    text = 'q,n,x,ok,code,gap\n"a, b",1,2.5,true,007,\nc,-2,1e3,False,12,3\n'
    rows = LOADER.from_csv(written(tmp_path / "rows.csv", text), input_keys=("q",))
    assert [row.toDict() for row in rows] == [
        {"q": "a, b", "n": 1, "x": 2.5, "ok": True, "code": "007", "gap": None},
        {"q": "c", "n": -2, "x": 1000.0, "ok": False, "code": "12", "gap": 3},
    ]
    assert rows[0].inputs().toDict() == {"q": "a, b"}


@pytest.mark.parametrize("as_list", [True, False])
def test_json_is_a_list_or_lines_and_missing_keys_are_none(tmp_path: Path, as_list: bool) -> None:
    given = [{"q": "a", "tags": ["x"]}, {"q": "é", "n": 2}]
    text = json.dumps(given) if as_list else "\n".join(map(json.dumps, given))
    rows = LOADER.from_json(written(tmp_path / "rows.json", text))
    assert [row.toDict() for row in rows] == [
        {"q": "a", "tags": ["x"], "n": None},
        {"q": "é", "tags": None, "n": 2},
    ]


def test_parquet_and_several_files(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    for name in ("one", "two"):
        parquet.write_table(pyarrow.table({"q": [name], "n": [1]}), tmp_path / name)
    rows = LOADER.from_parquet([str(tmp_path / "one"), tmp_path / "two"], fields=["q"])
    assert [row.toDict() for row in rows] == [{"q": "one"}, {"q": "two"}]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rows.csv", "a,b\n1\n", "rows.csv, 2: 1 values for 2 columns"),
        ("rows.json", '{"a": 1}\n{"a": \n', "rows.json, 2: not JSON"),
        ("rows.json", '[{"a": 1}, 2]', "rows.json, 2: the list holds a int"),
        ("rows.json", "[1", "rows.json, 1: not JSON"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_its_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(UsageError, match=told):
        LOADER.from_csv(path) if name.endswith("csv") else LOADER.from_json(path)


def test_a_missing_file_and_a_missing_field_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        LOADER.from_csv("nowhere.csv")
    path = written(tmp_path / "rows.csv", "a,b\n1,2\n")
    for kind in (KeyError, ValueError):
        with pytest.raises(kind, match="no field 'c' in the data; there are: a, b"):
            LOADER.from_csv(path, fields=["a", "c"])


def test_a_data_frame_gives_pythons_own_values() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "share": [0.5, 1.0], "q": ["a", "b"]})
    row = LOADER.from_pandas(frame)[0]
    assert [type(value) for value in (row.n, row.share, row.q)] == [int, float, str]
    with pytest.raises(KeyError, match="no column 'x'"):
        LOADER.from_pandas(frame, fields=["x"])


def test_objects_of_a_retrieval_model() -> None:
    class Objects:
        def get_objects(self, num_samples: int, fields: list[str]) -> list[dict[str, Any]]:
            return [{"q": n, "a": -n, "z": 0} for n in range(num_samples)]

    with dspex.context(rm=Objects()):
        rows = LOADER.from_rm(2, ["q", "a"], ["q"])
    assert [row.toDict() for row in rows] == [{"q": 0, "a": 0}, {"q": 1, "a": -1}]
    with pytest.raises(ValueError, match="Retrieval module not found"):
        LOADER.from_rm(2, ["q"], [])
    with dspex.context(rm=print), pytest.raises(ValueError, match="does not support `get_objects`"):
        LOADER.from_rm(2, ["q"], [])


def test_a_split_leaves_pythons_shared_random_numbers_alone() -> None:
    random.seed(1)
    before = random.getstate()
    LOADER.train_test_split([1, 2, 3], random_state=5)  # type: ignore[list-item]
    assert random.getstate() == before


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"train_size": 1.5}, "Invalid `train_size`"),
        ({"train_size": "all"}, "Invalid `train_size`"),
        ({"train_size": 1, "test_size": 0.0}, "Invalid `test_size`"),
        ({"train_size": 3, "test_size": 2}, "cannot exceed the total number of samples"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(sizes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LOADER.train_test_split([1, 2, 3, 4], **sizes)  # type: ignore[list-item]


def test_only_lists_are_sampled() -> None:
    with pytest.raises(ValueError, match="Invalid dataset provided of type"):
        LOADER.sample((1, 2), 1)  # type: ignore[arg-type]


def test_without_hugging_faces_library_its_data_sets_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.datasets.gsm8k import GSM8K

    monkeypatch.setitem(sys.modules, "datasets", None)
    for load in (HotPotQA, GSM8K, lambda: MATH("algebra"), lambda: LOADER.from_huggingface("x")):
        with pytest.raises(ImportError, match="pip install datasets"):
            load()


@pytest.mark.parametrize("wrong", [{"fields": ["a"]}, {"input_keys": ["a"]}])
def test_fields_from_the_hub_are_tuples(wrong: Any) -> None:
    with pytest.raises(ValueError, match="Please provide a tuple"):
        LOADER.from_huggingface("x", **wrong)


def test_splits_are_drawn_once_and_anew_for_other_seeds() -> None:
    colors = Colors(train_size=5, input_keys=["color"])
    first = colors.train
    assert colors.train is first
    assert first[0].inputs().keys() == ["color"]
    assert {row.dspy_split for row in first} == {"train"}
    colors.reset_seeds(train_seed=3, train_size=6)
    assert len(colors.train) == 6
    assert [row.color for row in colors.train[:5]] != [row.color for row in first]


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="Colors has no test split"):
        _ = Colors().test


def test_too_few_examples_for_the_seeds_are_told() -> None:
    with pytest.raises(AssertionError, match="train split are wanted"):
        Colors.prepare_by_seed(train_size=500, dev_size=5)


def test_a_data_set_of_ones_own() -> None:
    class Numbers(Dataset):
        def __init__(self) -> None:
            super().__init__(dev_size=2)
            self.do_shuffle = False
            self._dev = ({"base": n} for n in range(4))

    assert [row["base"] for row in Numbers().dev] == [0, 1]
