"""The file that an optimized program is written to: checked before anything is paid for, written whole at the end."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from dspex.errors import StoreError, UsageError

DEFAULT = Path("program.json")
"""Where the program goes without ``--out``."""


def check_output(path: Path) -> None:
    """Refuse now a `path` that cannot be written later, or that holds something else than a program.

    Raises:
        UsageError: it is such a path; the message says what to change.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a device or a pipe
    if path.is_dir():
        raise UsageError(f"Cannot write the program to {path}: it is a folder. Name a file with --out.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"Cannot write {path}: there is no folder {folder}. Create it first.")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"Cannot write {path}: no permission. Name another file with --out.")
    if path.exists() and path.stat().st_size and not _is_program(path):
        raise UsageError(f"{path} exists and is no saved program, so it is left alone. Name another file with --out.")


def write_output(path: Path, content: bytes, run_id: str) -> None:
    """Write the program that the run found, whole or not at all.

    Args:
        path: The file.
        content: The program as JSON.
        run_id: The run, which keeps the program too.

    Raises:
        StoreError: the file cannot be written: the disk is full, say. The message says how to get the program later.
    """
    from dspex.primitives.saving.atomic import write_atomically

    try:
        write_atomically(path, content)
    except (StoreError, UsageError) as error:
        kept = f"The run is done and its program kept: dspex runs result {run_id} --out FILE"
        raise StoreError(f"{error} {kept}") from error


def _is_program(path: Path) -> bool:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return isinstance(metadata, dict) and "dependency_versions" in metadata
