"""``dspex dev`` and workers, through the deaths of what they depend on."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.cli_fixtures import Folder, Process, end, environment, wait_until

from dspex.temporal.server import EmbeddedServer, free_port
from dspex_practice import PracticeServer

pytestmark = pytest.mark.integration


@pytest.fixture
def ports() -> list[str]:
    return ["--port", str(free_port()), "--ui-port", str(free_port())]


@pytest.fixture
def folder(tmp_path: Path, practice: PracticeServer, ports: list[str]) -> Folder:
    return Folder(tmp_path, environment(tmp_path / "store.db", f"127.0.0.1:{ports[1]}", "dspex"), practice.url)


@contextmanager
def dev(folder: Folder, ports: list[str]) -> Iterator[Process]:
    process = folder.start("dev", "--state", "state", *ports)
    try:
        process.says("ready:")
        yield process
    finally:
        end(process)


def children(process: Process) -> list[int]:
    """The process ids of the server and the worker."""
    listed = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text()
    return [int(number) for number in listed.split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_dev_runs_runs_and_keeps_them(folder: Folder, ports: list[str]) -> None:
    with dev(folder, ports) as process:
        assert re.search(rf"^Web UI +http://127\.0\.0\.1:{ports[3]}$", process.out, re.MULTILINE)
        found = folder.optimize("--id", "kept").result()
    assert "ending: the worker, then the server" in process.err
    with dev(folder, ports):
        assert folder.start("runs", "result", "kept", "--json").result() == {**found, "program_path": None}


def test_dev_starts_again_whatever_dies(folder: Folder, ports: list[str]) -> None:
    with dev(folder, ports) as process:
        server, worker = children(process)
        os.kill(worker, signal.SIGKILL)
        process.says("the worker has died; starting it again")
        process.says("ready:", times=2)
        os.kill(server, signal.SIGKILL)
        process.says("the Temporal server is started again")
        assert folder.optimize().result()["score"] is not None


def test_ctrl_c_ends_all_of_dev(folder: Folder, ports: list[str]) -> None:
    with dev(folder, ports) as process:
        started = children(process)
        process.interrupt()
        assert process.status() == 0
        assert all(gone(pid) for pid in started)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux: the kernel ends the children")
def test_a_killed_dev_leaves_nothing_behind_and_can_be_started_again_at_once(folder: Folder, ports: list[str]) -> None:
    with dev(folder, ports) as process:
        started = children(process)
        process.popen.kill()
        process.status()
        with dev(folder, ports):
            wait_until(lambda: all(gone(pid) for pid in started), lambda: f"{started} have not ended")
            assert folder.optimize().result()["score"] is not None


def test_a_second_dev_is_refused(folder: Folder, ports: list[str]) -> None:
    with dev(folder, ports):
        second = folder.start("dev", "--state", "state", "--port", str(free_port()))
        assert second.status() == 2
        assert "Another `dspex dev` is running on state" in second.err
        elsewhere = folder.start("dev", "--state", "elsewhere", *ports)
        assert elsewhere.status() == 2
        assert f"The port {ports[1]} is taken" in elsewhere.err
        assert f"dspex worker --temporal 127.0.0.1:{ports[1]}" in elsewhere.err


def test_dev_with_a_module_that_is_not_there_does_not_start(folder: Folder, ports: list[str]) -> None:
    process = folder.start("dev", "--state", "state", *ports, "--import", "nosuchapp")
    assert process.status() == 2
    assert process.err.startswith("error: There is no module 'nosuchapp' to import.")


def test_a_worker_waits_for_its_server_and_through_its_restart(folder: Folder, ports: list[str]) -> None:
    with folder.worker() as worker:
        worker.says(f"waiting: No Temporal server answers at 127.0.0.1:{ports[1]}")
        server = EmbeddedServer(folder.path / "server", int(ports[1]), int(ports[3]))
        try:
            server.start()
            worker.says("ready:")
            assert folder.optimize("--id", "one").result()["score"] is not None
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            server.start()
            assert folder.optimize("--id", "two", "--seed", "5").result()["score"] is not None
        finally:
            server.stop()
        assert worker.popen.poll() is None
