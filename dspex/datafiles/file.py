"""`DataFile`: a file of rows, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dspex.datafiles.csv_text import read_csv
from dspex.datafiles.jsonl import read_jsonl
from dspex.datafiles.malformed import MalformedError
from dspex.datafiles.parquet import read_parquet
from dspex.errors import UsageError

Row = dict[str, Any]
Numbered = Iterator[tuple[int, Row]]


class DataFile:
    """A JSONL, CSV or Parquet file, which one by its suffix. It is read row by row, from the start for each `rows`.

    Values are JSON values from JSONL and Parquet, and texts from CSV.

    Args:
        path: The file.

    Raises:
        UsageError: there is no such file, or its name ends in something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise UsageError(f"There is no file {self.path}.")
        if self.path.is_dir():
            raise UsageError(f"{self.path} is a folder, not a file of rows.")
        self._read, self._unit = _format(self.path)

    def rows(self) -> Numbered:
        """The rows, each with its number: of its line, or of the row itself in Parquet, from 1 on.

        Raises:
            UsageError: a row is malformed, or there is none; the message names file and line.
        """
        empty = True
        try:
            for number, row in self._read(self.path):
                empty = False
                yield number, row
        except MalformedError as error:
            raise UsageError(f"{self.place(error.number)}: {error}") from error
        except OSError as error:
            raise UsageError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        if empty:
            raise UsageError(f"{self.path} has no rows.")

    def first(self) -> Row:
        """The first row."""
        return next(self.rows())[1]

    def place(self, number: int) -> str:
        """Name a row as people do: ``train.jsonl, line 3``."""
        return f"{self.path}, {self._unit} {number}"


def _format(path: Path) -> tuple[Callable[[Path], Numbered], str]:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return read_jsonl, "line"
    if suffix == ".csv":
        return read_csv, "line"
    if suffix in (".parquet", ".pq"):
        return read_parquet, "row"
    hint = " One JSON object a line? Then name it .jsonl." if suffix == ".json" else ""
    raise UsageError(f"{path}: a data file is .jsonl, .csv or .parquet.{hint}")
