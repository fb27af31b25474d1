"""Lines of a UTF-8 text file, numbered; other encodings are refused with the number of the line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from dspex.datafiles.malformed import MalformedError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with their ends, numbered from 1. A byte order mark at the start is left out.

    Raises:
        MalformedError: a line is not UTF-8.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                if line.startswith(_UTF16):
                    raise MalformedError(1, "the file is in UTF-16. Save it as UTF-8.")
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = f"0x{line[error.start]:02x} at column {error.start + 1}"
                raise MalformedError(number, f"not UTF-8 text (byte {byte}). Save the file as UTF-8.") from error
