"""Which files of a code base there are to look at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path


class Kind(StrEnum):
    """How a file is read."""

    PYTHON = "python"
    NOTEBOOK = "notebook"
    REQUIREMENTS = "requirements"
    PROJECT = "project"
    LOCK = "lock"
    SCRIPT = "script"


_PATTERNS = (
    (Kind.PYTHON, ("*.py", "*.pyi")),
    (Kind.NOTEBOOK, ("*.ipynb",)),
    (Kind.LOCK, ("uv.lock", "poetry.lock", "pdm.lock", "pipfile.lock")),
    (Kind.PROJECT, ("pyproject.toml", "pipfile")),
    (Kind.REQUIREMENTS, ("*requirements*.txt", "*requirements*.in", "*constraints*.txt")),
    (Kind.REQUIREMENTS, ("setup.cfg", "environment*.yml", "environment*.yaml")),
    (Kind.SCRIPT, ("dockerfile*", "makefile", "*.sh", "tox.ini", "*.yml", "*.yaml")),
)
_NOT_OURS = {"node_modules", "__pycache__", "site-packages"}


def files_under(paths: Iterable[Path]) -> Iterator[tuple[Path, Kind]]:
    """The files at and under `paths` that may name DSPy, each once, in order.

    Hidden folders, virtual environments and links are left out; a path that is named itself never is.
    """
    seen: set[Path] = set()
    for path in paths:
        for file in [path] if path.is_file() else _walk(path):
            kind = kind_of(file)
            if kind is not None and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, kind


def kind_of(path: Path) -> Kind | None:
    """How to read a file, by its name; None for one that is of no interest."""
    name = path.name.lower()
    if path.parent.name.lower() == "requirements" and path.suffix in (".txt", ".in"):
        return Kind.REQUIREMENTS
    return next((kind for kind, patterns in _PATTERNS if any(fnmatch(name, each) for each in patterns)), None)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not _is_skipped(here / name))
        yield from (here / name for name in sorted(names) if not (here / name).is_symlink())


def _is_skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name in _NOT_OURS
        or (folder / "pyvenv.cfg").exists()
        or (folder / "conda-meta").is_dir()
    )
