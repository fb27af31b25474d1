"""What ``dspex migrate`` does: rewrite files, or show how it would, and list what is left to a person."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dspex.cli.output.exit import FAILED, Ended
from dspex.errors import StoreError, UsageError
from dspex.migrate.rewritten import Remark
from dspex.migrate.tree import Migrated, migrated


@dataclass
class _Tally:
    """Counts what a migration has read, changed and left to a person so far."""

    files: int = 0
    changes: int = 0
    rewritten: list[Path] = field(default_factory=list)
    by_hand: list[tuple[Path, Remark]] = field(default_factory=list)

    def add(self, file: Migrated) -> None:
        self.files += 1
        if file.changed:
            self.rewritten.append(file.path)
            self.changes += file.changes
        self.by_hand += [(file.path, remark) for remark in file.remarks]

    def summary(self, *, written: bool) -> str:
        done = "rewritten" if written else "would be rewritten"
        changes = f"{len(self.rewritten)} {done} ({_count(self.changes, 'change')})"
        return f"{_count(self.files, 'file')} read, {changes}, {len(self.by_hand)} to look at by hand"

    def as_json(self, *, written: bool) -> dict[str, Any]:
        return {
            "files": self.files,
            "rewritten": [str(path) for path in self.rewritten],
            "changes": self.changes,
            "written": written,
            "by_hand": [
                {"path": str(path), "line": remark.line, "message": remark.message} for path, remark in self.by_hand
            ],
        }


def migrate_paths(paths: Sequence[Path], *, diff: bool, as_json: bool) -> None:
    """Rewrite all files at and under `paths`.

    Args:
        paths: Files and folders.
        diff: Print what would change as a diff, and write nothing.
        as_json: Print one JSON object.

    Raises:
        UsageError: there is no such path; nothing was written.
        Ended: something is left to a person.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"There is no file or folder {', '.join(missing)}.")
    report = sys.stderr if diff or as_json else sys.stdout
    tally = _Tally()
    for file in migrated(paths):
        tally.add(file)
        for remark in file.remarks:
            _print_remark(file.path, remark, report)
        if file.changed and diff:
            print(file.diff(), end="")
        elif file.changed:
            _write(file, tally, report)
    print(f"{tally.summary(written=not diff)}.", file=report, flush=True)
    if as_json:
        print(json.dumps(tally.as_json(written=not diff)), flush=True)
    if tally.by_hand:
        raise Ended(FAILED)


def _write(file: Migrated, tally: _Tally, report: Any) -> None:
    try:
        file.write()
    except (UsageError, StoreError) as error:
        remark = Remark(1, str(error))
        tally.rewritten.remove(file.path)
        tally.changes -= file.changes
        tally.by_hand.append((file.path, remark))
        _print_remark(file.path, remark, report)


def _print_remark(path: Path, remark: Remark, report: Any) -> None:
    print(f"{path}:{remark.line}: {remark.message}", file=report, flush=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
