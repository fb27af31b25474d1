"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from dspex.errors import StoreFullError, UsageError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put `content` at `path`. Whatever happens meanwhile, the file there is the old one or the new one, whole.

    Args:
        path: The file; a symbolic link is followed.
        content: The bytes of the new file.

    Raises:
        StoreFullError: the disk has no room; the old file is as it was.
        UsageError: the folder does not exist, or the file may not be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        _write_through(target, content)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write(temporary, content)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)  # a script stays executable
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    # os.open, not tempfile: the finished file gets the rights that the user's umask gives to any new file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write_through(device: Path, content: bytes) -> None:
    """A device or a pipe cannot be replaced."""
    try:
        device.write_bytes(content)
    except OSError as error:
        raise _explained(error, device) from error


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def _explained(error: OSError, path: str | os.PathLike[str]) -> Exception:
    where = os.fspath(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(f"There is no room left on the disk to write {where}. Nothing was changed.")
    if isinstance(error, FileNotFoundError):
        return UsageError(f"Cannot write {where}: its folder does not exist. Create it first.")
    return UsageError(f"Cannot write {where}: {error.strerror or error}.")
