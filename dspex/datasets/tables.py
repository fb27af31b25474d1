"""Rows of files, with all the columns of the file in each and values of Python's types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from dspex.datafiles.malformed import MalformedError
from dspex.errors import UsageError

Row = dict[str, Any]
Path_ = str | PathLike[str]
Paths = Path_ | list[Path_]

_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,17})")  # not 007, which is no number but a name
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_BOOLEANS = {"true": True, "false": False}


def csv_rows(paths: Paths) -> list[Row]:
    """Read the rows of CSV files."""
    from dspex.datafiles.csv_text import read_csv

    rows = list(_rows(paths, read_csv))
    for name in rows[0] if rows else ():
        read = _reader([row[name] for row in rows])
        for row in rows:
            row[name] = read(row[name]) if row[name] != "" else None
    return rows


def json_rows(paths: Paths) -> list[Row]:
    """Read the rows of JSON files."""
    rows = list(_rows(paths, _read_json))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def parquet_rows(paths: Paths) -> list[Row]:
    """Read the rows of Parquet files."""
    from dspex.datafiles.parquet import read_parquet

    return list(_rows(paths, read_parquet))


def _rows(paths: Paths, read: Callable[[Path], Iterator[tuple[int, Row]]]) -> Iterator[Row]:
    for given in paths if isinstance(paths, list) else [paths]:
        path = Path(given)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        try:
            for _, row in read(path):
                yield row
        except MalformedError as error:
            raise UsageError(f"{path}, {error.number}: {error}") from error


def _read_json(path: Path) -> Iterator[tuple[int, Row]]:
    from dspex.datafiles.jsonl import read_jsonl

    text = path.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        yield from read_jsonl(path)
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedError(error.lineno, f"not JSON: {error.msg}, at column {error.colno}.") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise MalformedError(number, f"the list holds a {type(row).__name__} where an object is needed.")
        yield number, row


def _reader(texts: list[str]) -> Callable[[str], Any]:
    """What all texts of a column can be read as."""
    given = [text for text in texts if text != ""]
    if not given:
        return str
    if all(_WHOLE.fullmatch(text) for text in given):
        return int
    if all(_NUMBER.fullmatch(text) for text in given) and not any(map(_LEADING_ZERO.match, given)):
        return float
    if all(text.lower() in _BOOLEANS for text in given):
        return lambda text: _BOOLEANS[text.lower()]
    return str
