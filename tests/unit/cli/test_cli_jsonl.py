from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from dspex.datafiles import DataFile
from dspex.errors import UsageError

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
rows = st.lists(st.dictionaries(st.text("xyz ", min_size=1), json_values, max_size=3), min_size=1, max_size=5)


@given(rows, st.booleans(), st.sampled_from(["", "\n", " \t\n"]), st.sampled_from(["", "\ufeff"]))
@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_was_written_is_read(
    tmp_path: Path, written: list[dict[str, Any]], ascii_only: bool, blank: str, mark: str
) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=ascii_only) + "\n" + blank for row in written]
    path.write_text(mark + "".join(lines), "utf-8")
    assert [row for _, row in DataFile(path).rows()] == written


def test_rows_are_numbered_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"a": 1}\n\n{"a": 2}')
    assert list(DataFile(path).rows()) == [(2, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"a": 1', "not JSON"),
        (b"[1, 2]", "a list where an object is needed"),
        (b'"text"', "a string where an object is needed"),
        (b"7", "a number where an object is needed"),
        (b"null", "null where an object is needed"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' is there twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 123456789012345678901234567890123}', "too large"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"a": "caf\xe9"}', "not UTF-8 text (byte 0xe9 at column 11)"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 0}\n\n' + line + b"\n")
    with pytest.raises(UsageError) as raised:
        list(DataFile(path).rows())
    assert str(raised.value).startswith(f"{path}, line 3: ")
    assert complaint in str(raised.value)


@pytest.mark.parametrize("content", ["", "\n\n  \n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match="has no rows"):
        DataFile(path).first()


def test_utf16_is_told_from_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n', "utf-16")
    with pytest.raises(UsageError, match="line 1: the file is in UTF-16"):
        DataFile(path).first()


def test_files_that_cannot_be_data_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(UsageError, match="There is no file"):
        DataFile(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"is \.jsonl, \.csv or \.parquet\. One JSON object a line"):
        DataFile(tmp_path / "rows.json")
    with pytest.raises(UsageError, match="is a folder"):
        DataFile(tmp_path / "rows.jsonl")
