"""All of a code base: every file of it looked at, rewritten, and written."""

from __future__ import annotations

import codecs
import difflib
import io
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dspex.migrate.find import Kind, files_under
from dspex.migrate.requirements import look_at_script, rewrite_requirements
from dspex.migrate.rewritten import Remark, Rewritten, UnreadableError
from dspex.primitives.saving.atomic import write_atomically


@dataclass(frozen=True)
class Migrated:
    """A file: what it held, what it holds then, and what is left to a person."""

    path: Path
    before: bytes
    after: bytes
    changes: int
    remarks: list[Remark]

    @property
    def changed(self) -> bool:
        """Whether rewriting changed the file."""
        return self.after != self.before

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            UsageError, StoreFullError: it cannot be written.
        """
        write_atomically(self.path, self.after)

    def diff(self) -> str:
        """What changes, as a unified diff that ``patch -p0`` takes."""
        name = self.path.as_posix()
        changed = difflib.unified_diff(_lines(self.before), _lines(self.after), fromfile=name, tofile=name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changed)


def migrated(paths: Iterable[Path]) -> Iterator[Migrated]:
    """Look at every file at and under `paths`; nothing is written."""
    for path, kind in files_under(paths):
        yield _migrated(path, kind)


def _migrated(path: Path, kind: Kind) -> Migrated:
    before = b""
    try:
        before = path.read_bytes()
        if b"dspy" not in before and b"dspex" not in before:
            return Migrated(path, before, before, 0, [])
        encoding = _encoding(before) if kind is Kind.PYTHON else _unicode(before)
        done = _rewriter(kind)(before.decode(encoding))
        return Migrated(path, before, done.text.encode(encoding), done.changes, done.remarks)
    except UnreadableError as error:
        remark = Remark(error.line, f"{error}: skipped")
    except (OSError, UnicodeError, SyntaxError, LookupError) as error:
        remark = Remark(1, f"cannot be read ({error}): skipped")
    return Migrated(path, before, before, 0, [remark])


def _rewriter(kind: Kind) -> Callable[[str], Rewritten]:
    if kind is Kind.PYTHON:
        from dspex.migrate.python import rewrite_python

        return rewrite_python
    if kind is Kind.NOTEBOOK:
        from dspex.migrate.notebooks import rewrite_notebook

        return rewrite_notebook
    if kind is Kind.PROJECT:
        from dspex.migrate.pyproject import rewrite_project

        return rewrite_project
    return {Kind.REQUIREMENTS: rewrite_requirements, Kind.LOCK: _look_at_lock, Kind.SCRIPT: look_at_script}[kind]


def _look_at_lock(text: str) -> Rewritten:
    lines = (number for number, line in enumerate(text.splitlines(), 1) if '"dspy"' in line or '"dspy-ai"' in line)
    first = next(lines, None)
    remarks = [Remark(first, "locks dspy: make this file anew")] if first else []
    return Rewritten(text, remarks=remarks)


def _encoding(content: bytes) -> str:
    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]


def _unicode(content: bytes) -> str:
    return "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="replace").splitlines(keepends=True)
