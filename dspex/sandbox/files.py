"""Files that the user gives to a sandbox: copies in a private folder, all that the sandbox sees of the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.sandbox.limits import MIB

if TYPE_CHECKING:
    from pydantic_monty import MountDir

VIRTUAL_FOLDER = "/sandbox"
_MOST_WRITTEN = 256 * MIB


class FileConflictError(ValueError):
    """Two files would have the same name inside the sandbox, or what was given is no file."""


def check(read: Sequence[str | os.PathLike[str]], write: Sequence[str | os.PathLike[str]]) -> dict[str, Path]:
    """Resolve the files that a user gives to a sandbox.

    Args:
        read: Paths of files that the code may read; ``~`` and symbolic links are followed.
        write: Paths of files that it may also write.

    Returns:
        The real path of each file by its name in the sandbox.

    Raises:
        FileConflictError: names the file that cannot be given to a sandbox.
    """
    found: dict[str, Path] = {}
    for given in [*read, *write]:
        if not given:
            continue
        path = Path(os.path.realpath(os.path.expanduser(os.fspath(given))))
        name = os.path.basename(os.fspath(given))
        if found.setdefault(name, path) != path:
            raise FileConflictError(f"Mounted files must have unique basenames inside the sandbox: {name!r} is twice.")
        if path.is_dir():
            raise FileConflictError(f"{path} is a folder. Give the sandbox the files in it that it needs, one by one.")
    return found


class SandboxFiles:
    """The copies, from the first execution to `close`."""

    def __init__(self, files: dict[str, Path], writable: set[Path]) -> None:
        """Prepare the copies; none is made before the first execution.

        Args:
            files: The real path of each file by its name in the sandbox.
            writable: The real paths of those that the code may write.
        """
        self._files = files
        self._writable = writable
        self._folder: Path | None = None
        self._mount: MountDir | None = None

    def mount(self) -> MountDir | None:
        """The folder for the sandbox, None when there are no files.

        Raises:
            FileNotFoundError: a file to read is not there.
        """
        if not self._files:
            return None
        if self._mount is None:
            from pydantic_monty import MountDir

            self._folder = self._copy_in()
            self._mount = MountDir(
                host_path=self._folder,
                virtual_path=VIRTUAL_FOLDER,
                mode="read-write" if self._writable else "read-only",
                write_bytes_limit=_MOST_WRITTEN,
            )
        return self._mount

    def _copy_in(self) -> Path:
        for path in self._files.values():
            if not path.exists():
                if path not in self._writable:
                    raise FileNotFoundError(f"Cannot mount non-existent file: {path}")
                path.touch()
        folder = Path(tempfile.mkdtemp(prefix="dspex-sandbox-"))
        for name, path in self._files.items():
            shutil.copyfile(path, folder / name)
        return folder

    def copy_out(self) -> None:
        """Write the files that the sandbox may write back to their real places."""
        if self._folder is None:
            return
        for name, path in self._files.items():
            copy = self._folder / name
            if path in self._writable and copy.is_file() and not copy.is_symlink():
                shutil.copyfile(copy, path)

    def close(self) -> None:
        """Delete the copies."""
        if self._mount is not None:
            self._mount.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._mount = self._folder = None
