"""How rows are packed: lines of JSON, compressed, a block at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dspex.errors import UsageError
from dspex.store.jsonable import decode, encode, to_jsonable

MAX_ROWS = 128
MAX_BYTES = 128 * 1024
"""A block ends at so many rows or at so many bytes of JSON, so that huge rows do not make huge blocks."""


@dataclass(frozen=True, slots=True)
class DatasetBlock:
    """Rows `start` to `start + count`."""

    start: int
    count: int
    body: bytes


def row_line(row: Any, number: int) -> bytes:
    """Encode a row as one line of JSON.

    Args:
        row: A mapping, or an object that `to_jsonable` makes one of.
        number: Its index, for the error.

    Raises:
        UsageError: it cannot be JSON; the message names the row and the field.
    """
    value = dict(row) if isinstance(row, Mapping) else to_jsonable(row, f"row {number}")
    if not isinstance(value, dict):
        raise UsageError(f"Row {number} is not an object with named fields: it is a {type(row).__name__}.")
    return encode(value, f"row {number}")


def pack(lines: Iterable[bytes]) -> Iterator[DatasetBlock]:
    """Pack lines into compressed blocks, in order."""
    start, size, held = 0, 0, []
    for line in lines:
        held.append(line)
        size += len(line)
        if len(held) >= MAX_ROWS or size >= MAX_BYTES:
            yield _block(start, held)
            start, size, held = start + len(held), 0, []
    if held:
        yield _block(start, held)


def unpack(body: bytes) -> list[bytes]:
    """Return the lines of a block's body."""
    return zlib.decompress(body).split(b"\n")


def row_of(line: bytes) -> dict[str, Any]:
    """Decode a line that `row_line` encoded."""
    row: dict[str, Any] = decode(line)
    return row


def _block(start: int, lines: list[bytes]) -> DatasetBlock:
    return DatasetBlock(start, len(lines), zlib.compress(b"\n".join(lines), 1))
