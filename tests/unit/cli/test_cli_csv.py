from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from dspex.datafiles import DataFile
from dspex.errors import UsageError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)


@given(values, st.sampled_from(["utf-8", "utf-8-sig"]), st.sampled_from(["\n", "\r\n"]))
@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_was_written_is_read(tmp_path: Path, written: list[tuple[str, str]], encoding: str, end: str) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label, really"), *written])
    expected = [{"text": text, "label, really": label} for text, label in written]
    assert [row for _, row in DataFile(path).rows()] == expected


def test_a_row_is_numbered_by_the_line_it_begins_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n\n"two\nlines",a\nplain,b\n')
    assert [number for number, _ in DataFile(path).rows()] == [3, 5]


def test_a_field_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"text\n{'x' * 300_000}\n")
    assert len(DataFile(path).first()["text"]) == 300_000


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        (b"text,label\na,b\nc\n", "line 3", "1 values for 2 columns (text, label)"),
        (b"text,label\na,b,c\n", "line 2", "3 values for 2 columns"),
        (b'text,label\na,"b\nc,d\n', "line 2", "unexpected end of data"),
        (b'text,label\n"a"x,b\n', "line 2", "not CSV"),
        (b"text,text\na,b\n", "line 1", "the column 'text' is there twice"),
        (b"text,\na,b\n", "line 1", "the column 2 has no name"),
        (b"text;label\na;b\n", "line 1", "the columns are separated by ';'"),
        (b"text,label\ncaf\xe9,b\n", "line 2", "not UTF-8"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, content: bytes, place: str, complaint: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        list(DataFile(path).rows())
    assert str(raised.value).startswith(f"{path}, {place}: ")
    assert complaint in str(raised.value)


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match="has no rows"):
        DataFile(path).first()
