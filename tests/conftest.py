"""What all tests share: a store of their own, the practice model, a Temporal server, and a quiet end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dspex.store import Store
    from dspex.temporal.server import EmbeddedServer
    from dspex_practice import PracticeServer


@pytest.fixture(scope="session", autouse=True)
def _no_test_meets_the_users_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSPEX_STORE", str(tmp_path_factory.mktemp("store") / "session.db"))
        yield


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, which is the process's and its children's for the length of the test."""
    from dspex.store import Store

    monkeypatch.setenv("DSPEX_STORE", str(tmp_path / "store.db"))
    opened = Store.open()
    yield opened
    opened.close()


@pytest.fixture
def practice() -> Iterator[PracticeServer]:
    """The practice model at ``practice.url``, in a thread, with counters that start at zero."""
    from dspex_practice import PracticeServer

    with PracticeServer() as server:
        yield server


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A development server at ``temporal_server.address``, one for each process of the test run."""
    from dspex.temporal.server import EmbeddedServer, free_port

    server = EmbeddedServer(tmp_path_factory.mktemp("temporal"), port=free_port(), ui_port=free_port())
    server.start()
    try:
        asyncio.run(server.ready())
        yield server
    finally:
        server.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Temporal's core can crash a process that is ending (sdk-python #300), its work done: leave before that.

    Workers of pytest-xdist are not ended so: they still have to hand over their results.
    """
    status = yield
    if "temporalio" in sys.modules and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(status or 0))  # type: ignore[call-overload]
    return status


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that last longest, so that no worker of pytest-xdist ends with them alone."""
    items.sort(key=lambda item: "test_kills.py" not in item.nodeid)
