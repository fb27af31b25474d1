"""Parquet, by pyarrow (the extra ``parquet``), a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dspex.datafiles.malformed import MalformedError
from dspex.errors import UsageError
from dspex.store.jsonable import to_jsonable

_ROWS_AT_ONCE = 1024


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows, numbered from 1 on. A missing number (NaN) is null."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"To read {path}, install pyarrow: pip install 'dspex[parquet]'.") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _plain(row, number)
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path} is not a Parquet file that can be read: {error}.") from error


def _plain(row: dict[str, Any], number: int) -> dict[str, Any]:
    known = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
    try:
        plain: dict[str, Any] = to_jsonable(known)
    except UsageError as error:
        raise MalformedError(number, str(error)) from error
    return plain


def _check_columns(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MalformedError(1, f"the column {twice[0]!r} is there twice.")
