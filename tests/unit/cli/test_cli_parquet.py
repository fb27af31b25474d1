from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import pytest

from dspex.datafiles import DataFile
from dspex.errors import UsageError


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    arrow = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table(columns), path)
    return path


def test_rows_are_json_values_numbered_from_one(tmp_path: Path) -> None:
    columns = {
        "text": ["a", "b"],
        "score": [0.5, float("nan")],
        "day": [datetime.date(2026, 1, 2), None],
        "tags": [["x"], []],
    }
    assert list(DataFile(write(tmp_path / "rows.parquet", columns)).rows()) == [
        (1, {"text": "a", "score": 0.5, "day": "2026-01-02", "tags": ["x"]}),
        (2, {"text": "b", "score": None, "day": None, "tags": []}),
    ]


def test_many_rows_come_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", {"n": list(range(5000))})
    assert [row["n"] for _, row in DataFile(path).rows()] == list(range(5000))


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(UsageError, match="is not a Parquet file that can be read"):
        list(DataFile(path).rows())


def test_a_missing_pyarrow_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'dspex\[parquet\]'"):
        list(DataFile(path).rows())
