"""CSV: a line of column names, then rows; commas, double quotes, UTF-8. Every value is text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from dspex.datafiles.malformed import MalformedError
from dspex.datafiles.text_lines import text_lines

_LARGEST_FIELD = 2**31 - 1


def read_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows, each with the number of the line that it begins on."""
    csv.field_size_limit(_LARGEST_FIELD)  # the usual limit is 128 KiB
    records = _records(path)
    number, columns = next(records, (1, []))
    _check_columns(columns, number)
    for number, values in records:
        if len(values) != len(columns):
            raise MalformedError(
                number, f"{len(values)} values for {len(columns)} columns ({', '.join(columns)}). Is a quote missing?"
            )
        yield number, dict(zip(columns, values, strict=True))


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in text_lines(path)), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise MalformedError(start, f"not CSV: {error}. Is a quote missing?") from error
        if values:
            yield start, values


def _check_columns(columns: list[str], number: int) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise MalformedError(number, f"the column {twice[0]!r} is there twice.")
    if "" in columns:
        raise MalformedError(number, f"the column {columns.index('') + 1} has no name.")
    for separator in (";", "\t"):
        if len(columns) == 1 and separator in columns[0]:
            raise MalformedError(number, f"the columns are separated by {separator!r}. Separate them by commas.")
