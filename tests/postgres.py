"""A real PostgreSQL for the tests: Debian's package (or any in PATH), started in a temporary directory on a free port.

The server refuses to run as root; root's tests run it as the user `postgres`, whom the package makes. Where there is no
PostgreSQL, `running` yields the reason, and the tests say so in their skip.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Postgres:
    """A running server. Every test takes a database of its own."""

    host: str
    port: int
    user: str

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.host}&port={self.port}"

    def new_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        admin = f"host={self.host} port={self.port} user={self.user} dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


@contextmanager
def running() -> Iterator[Postgres | str]:
    """A server that runs while the block does, or the reason why there is none."""
    programs = _programs()
    if programs is None:
        yield "no PostgreSQL server on this machine (Debian: apt-get install postgresql)"
        return
    user = _user()
    if user is None:
        yield "PostgreSQL does not run as root, and there is no user `postgres`"
        return
    with tempfile.TemporaryDirectory(prefix="dspex-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        as_user = [] if os.geteuid() else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        if as_user:
            shutil.chown(directory, user, user)
        data = directory / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", user, "--auth=trust", "--no-sync", "-E", "UTF8"]
        _run([*as_user, *initdb], directory)
        # Only a socket, in a directory of our own: no port that another could take.
        options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off -c max_connections=100"
        control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
        _run([*control, "-o", options, "-l", str(directory / "log"), "start"], directory)
        try:
            yield Postgres(host=str(directory), port=5432, user=user)
        finally:
            _run([*control, "-m", "immediate", "stop"], directory)


def _programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are, the newest version's."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _user() -> str | None:
    if os.geteuid():
        return getpass.getuser()
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _run(command: list[str], directory: Path) -> None:
    result = subprocess.run(
        command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if result.returncode:
        log = directory / "log"
        raise RuntimeError(
            f"{' '.join(command)} failed:\n{result.stdout.decode()}\n{log.read_text() if log.exists() else ''}"
        )
