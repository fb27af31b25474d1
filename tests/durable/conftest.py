"""A Temporal server, a client and a worker in this process, with the practice model behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest

import dspex
from dspex.runner.imports import AllowedModules
from dspex.settings import configure, reset
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.connection import connect
from dspex.temporal.server import EmbeddedServer
from dspex.worker.worker import make_worker
from dspex_practice import PracticeOptions, PracticeServer
from durable.task import KEY_VARIABLE, SECRET


class Worker(Protocol):
    def __call__(self, **options: Any) -> AbstractAsyncContextManager[Any]: ...


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeServer]:
    """The practice model; it wants a key, which only the environment has."""
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    with PracticeServer(PracticeOptions(api_key=SECRET)) as server:
        configure(lm=dspex.LM("openai/practice", api_base=server.url, api_key_env=KEY_VARIABLE))
        yield server
    reset()


@pytest.fixture
async def client(temporal_server: EmbeddedServer, store: Store, request: pytest.FixtureRequest) -> Client:
    """A client whose task queue no other test polls."""
    queue = f"queue-{abs(hash(request.node.nodeid))}"
    return await Client.connect(temporal_server.address, store=store, task_queue=queue)


@pytest.fixture
def worker(client: Client, temporal_server: EmbeddedServer) -> Worker:
    """Start a worker on the client's queue, with a connection of its own: ``async with worker(): ...``."""

    @asynccontextmanager
    async def start(imports: tuple[str, ...] = ("durable.task",), **options: Any) -> AsyncIterator[Any]:
        connection = await connect(temporal_server.address)
        made = make_worker(
            connection, AllowedModules(imports), store=client.store, task_queue=client.task_queue, **options
        )
        async with made:
            yield made

    return start
