"""A real PostgreSQL for the tests: Debian's package (or any in PATH), started in a temporary directory, or a container.

The local one listens on a socket in that directory and on no port, so it can be in nobody's way. The server refuses to
run as root; root's tests run it as the user `postgres`, whom the package makes. Where there is Docker and no server,
testcontainers starts one. Where there is neither, `running` yields the reason, and the tests say so in their skip.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testcontainers.postgres import PostgresContainer

_DEBIAN = Path("/usr/lib/postgresql")
_PORT = 5432
"""Only names the socket."""


class Postgres:
    """A server in a directory of its own, which can be stopped and started again."""

    def __init__(self, programs: Path, directory: Path, user: str) -> None:
        self._programs = programs
        self._directory = directory
        self.user = user

    def initialize(self) -> None:
        self._run("initdb", "-U", self.user, "--auth=trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        options = f"-c listen_addresses= -c port={_PORT} -c unix_socket_directories={self._directory} -c fsync=off"
        self._run("pg_ctl", "-w", "-t", "60", "-o", options, "-l", str(self._directory / "log"), "start")

    def stop(self) -> None:
        """At once, as if the machine had lost its power."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        """A SQLAlchemy URL."""
        return f"postgresql+psycopg://{self.user}@/{database}?host={self._directory}&port={_PORT}"

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        admin = f"host={self._directory} port={_PORT} user={self.user} dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        as_user = [] if os.geteuid() else ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]
        command = [*as_user, str(self._programs / program), "-D", str(self._directory / "data"), *arguments]
        # To a file: the server would hold a pipe open for as long as it runs.
        log = self._directory / "commands.log"
        with log.open("ab") as output:
            result = subprocess.run(
                command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if result.returncode:
            said = "\n".join(path.read_text() for path in sorted(self._directory.glob("*log")))
            raise RuntimeError(f"{' '.join(command)} failed:\n{said}")


@contextmanager
def running() -> Iterator[Postgres | str]:
    """A server that runs while the block does, or the reason why there is none."""
    programs, user = _programs(), _user()
    if programs is None:
        with _in_container() as server:
            yield server
        return
    if user is None:
        yield "PostgreSQL does not run as root, and there is no user `postgres`"
        return
    with tempfile.TemporaryDirectory(prefix="dspex-pg-", ignore_cleanup_errors=True) as directory:
        if not os.geteuid():
            shutil.chown(directory, user, user)
        server = Postgres(programs, Path(directory), user)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()


class ContainerPostgres(Postgres):
    """A server in a container, on a port of this host that it keeps when it is started again."""

    def __init__(self, container: PostgresContainer, port: int) -> None:
        self._container = container
        self._port = port
        self.user = str(container.username)

    def start(self) -> None:
        self._container.get_wrapped_container().start()

    def stop(self) -> None:
        self._container.get_wrapped_container().kill()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}:{self._container.password}@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        admin = self.url(str(self._container.dbname)).replace("+psycopg", "")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


@contextmanager
def _in_container() -> Iterator[Postgres | str]:
    from testcontainers.postgres import PostgresContainer

    from dspex.temporal.server import free_port

    port = free_port()
    try:
        container = PostgresContainer("postgres:16-alpine").with_bind_ports(5432, port).start()
    except Exception as error:  # noqa: BLE001 - no Docker, no right to use it, no image to be had
        yield f"no PostgreSQL server on this machine (Debian: apt-get install postgresql), and no container: {error}"
        return
    try:
        yield ContainerPostgres(container, port)
    finally:
        container.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session; tests take databases of their own."""
    with running() as server:
        if isinstance(server, str):
            pytest.skip(server)
        yield server


def _programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`, the newest version's."""
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
