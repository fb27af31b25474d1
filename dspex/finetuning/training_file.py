"""The training file: rows checked one by one, written as lines of JSON, and known by the hash of its bytes."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from dspex.errors import UsageError
from dspex.finetuning.rows import LEAST_ROWS, Rules
from dspex.store.jsonable import encode
from dspex.store.records.dataset import DatasetRef

if TYPE_CHECKING:
    from dspex.store import Store

MOST_BYTES = 512 * 1024 * 1024
"""OpenAI's limit for a file."""

_BATCH = 256
_PIECE = 1024 * 1024
_ERRORS_SHOWN = 5

Rows = list[dict[str, Any]] | DatasetRef


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A training file, described: the SHA-256 of its bytes, its size in bytes, and how many rows it has."""

    sha: str
    size: int
    rows: int

    @property
    def name(self) -> str:
        """Its name at the provider, by which it is found again."""
        return f"dspex-{self.sha[:32]}.jsonl"


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A training file on this host's disk, until the block of `training_file` ends."""

    facts: FileFacts
    _file: IO[bytes]

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes, from the start."""
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece


async def describe(data: Rows, rules: Rules, store: Store | None = None) -> FileFacts:
    """Check `data`, and describe the file that it makes; nothing is written.

    Args:
        data: The rows, or a reference to stored ones.
        rules: What a row must look like.
        store: Where stored rows are read from.

    Raises:
        UsageError: too few rows, or wrong ones; the message names them.
    """
    return await _lines_to(None, data, rules, store)


@asynccontextmanager
async def training_file(data: Rows, rules: Rules, store: Store | None = None) -> AsyncIterator[TrainingFile]:
    """Check `data` and write it to a temporary file, which the end of the block deletes.

    Args:
        data: The rows, or a reference to stored ones.
        rules: What a row must look like.
        store: Where stored rows are read from.

    Raises:
        UsageError: too few rows, or wrong ones; the message names them.
    """
    with tempfile.TemporaryFile(prefix="dspex-finetune-") as file:
        yield TrainingFile(await _lines_to(file, data, rules, store), file)


async def _lines_to(file: IO[bytes] | None, data: Rows, rules: Rules, store: Store | None) -> FileFacts:
    count, size, digest, errors = 0, 0, hashlib.sha256(), _Errors()
    async for batch in _batches(data, store):
        lines = []
        for row in batch:
            lines.append(_line(row, rules, count, errors))
            count += 1
        block = b"".join(lines)
        size += len(block)
        digest.update(block)
        if file is not None and not errors.count:
            await asyncio.to_thread(file.write, block)
    errors.refuse(count)
    if count < LEAST_ROWS:
        raise UsageError(f"The training data has {count} rows; fine-tuning needs {LEAST_ROWS} or more.")
    if size > MOST_BYTES:
        raise UsageError(f"The training file has {size >> 20} MiB; the provider takes up to {MOST_BYTES >> 20}.")
    return FileFacts(digest.hexdigest(), size, count)


def _line(row: Any, rules: Rules, number: int, errors: _Errors) -> bytes:
    wrong = rules.error(row)
    if wrong is not None:
        errors.add(number, wrong)
        return b""
    try:
        line = encode(row)
        line.decode()
    except UsageError as error:
        errors.add(number, f"cannot be written as JSON: {error.message}")
    except UnicodeDecodeError:
        errors.add(number, "holds half a character (a lone surrogate), which is no text")
    else:
        return line + b"\n"
    return b""


class _Errors:
    """What is wrong, row by row: the first few in words, all of them counted."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, row: int, error: str) -> None:
        self.count += 1
        if len(self._first) < _ERRORS_SHOWN:
            self._first.append(f"row {row}: {error}")

    def refuse(self, rows: int) -> None:
        if not self.count:
            return
        more = f"\n... and {self.count - len(self._first)} more" if self.count > len(self._first) else ""
        first = "\n".join(self._first)
        raise UsageError(
            f"{self.count} of {rows} rows of the training data are wrong (rows are counted from 0); nothing was "
            f"uploaded:\n{first}{more}"
        )


def _batches(data: Rows, store: Store | None) -> AsyncIterable[list[Any]]:
    if isinstance(data, list):
        return _of_list(data)
    if isinstance(data, DatasetRef):
        assert store is not None, "a reference needs the store that it points into"
        return _of_store(data, store)
    what = "an object" if isinstance(data, Mapping) else f"a {type(data).__name__}"
    raise UsageError(f"Training data is a list of rows, not {what}.")


async def _of_list(data: list[Any]) -> AsyncIterator[list[Any]]:
    for start in range(0, len(data), _BATCH):
        yield data[start : start + _BATCH]
        await asyncio.sleep(0)  # let other tasks run


async def _of_store(ref: DatasetRef, store: Store) -> AsyncIterator[list[Any]]:
    for start in range(0, ref.rows, _BATCH):
        yield list(await store.datasets.rows(ref.sha, start, start + _BATCH))
