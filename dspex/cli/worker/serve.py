"""A worker that holds on: through servers that are not there yet, that restart, or that come back changed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.cli.main import INTERRUPTED, end, note
from dspex.errors import StoreError

if TYPE_CHECKING:
    from temporalio.client import Client as TemporalClient

    from dspex.runner.imports import AllowedModules
    from dspex.store import Store

_AGAIN_S = 1.0
_REMIND_S = 15.0


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is started with; what is None comes from the environment."""

    imports: list[str] = field(default_factory=list)
    temporal: str | None = None
    namespace: str | None = None
    store: str | None = None
    task_queue: str | None = None
    max_chunks: int | None = None

    def modules(self) -> list[str]:
        listed = os.environ.get("DSPEX_IMPORTS", "")
        return self.imports or [name.strip() for name in listed.split(",") if name.strip()]


def work_until_told(options: WorkerOptions) -> None:
    """Work until SIGINT or SIGTERM, then finish what is in flight.

    Raises:
        UsageError: a module cannot be imported, or the store's URL is none.
    """
    from dspex.cli.output.logs import show_logs
    from dspex.runner.imports import AllowedModules
    from dspex.settings import configure
    from dspex.store import Store

    show_logs()
    imports = AllowedModules(options.modules())
    if options.store:
        configure(store=options.store)
    asyncio.run(_work(options, imports, Store.open(options.store)))


async def _work(options: WorkerOptions, imports: AllowedModules, store: Store) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _told_to_stop, stopped)
    while not stopped.is_set():
        client = await _connected(options, store, stopped)
        if client is not None:
            await _serve(options, imports, store, client, stopped)


def _told_to_stop(stopped: asyncio.Event) -> None:
    """Once: finish what is in flight. Twice: leave it to the other workers."""
    if stopped.is_set():
        end(INTERRUPTED)
    note("ending: finishing what is in flight (again to leave at once)")
    stopped.set()


async def _connected(options: WorkerOptions, store: Store, stopped: asyncio.Event) -> TemporalClient | None:
    """A client of the server, once it answers and the store works; None when the worker is told to stop before."""
    from dspex.temporal.connection import TemporalNotReachableError, connect

    reminder = _Reminder()
    while not stopped.is_set():
        try:
            client = await connect(options.temporal, options.namespace)
            await store.check()
        except (TemporalNotReachableError, StoreError) as error:
            reminder.say(f"waiting: {_first_sentence(str(error))}")
            await _wait(stopped, _AGAIN_S)
        else:
            return client
    return None


async def _serve(
    options: WorkerOptions, imports: AllowedModules, store: Store, client: TemporalClient, stopped: asyncio.Event
) -> None:
    """Poll until told to stop, or until the server sends the worker away."""
    from temporalio.service import RPCError

    from dspex.temporal.connection import task_queue_in_force
    from dspex.worker.worker import CHUNKS_AT_ONCE, make_worker, serve

    queue = task_queue_in_force(options.task_queue)
    worker = make_worker(
        client,
        imports,
        store=store,
        task_queue=queue,
        max_chunks=options.max_chunks or CHUNKS_AT_ONCE,
    )
    where = f"{client.service_client.config.target_host}, namespace {client.namespace}, task queue {queue}"
    code = ", ".join(imports.names) or "none, built-in programs only"
    note(f"worker {os.getpid()} ready: {where}; imports: {code}; store: {store.shown_url}")
    try:
        await serve(worker, stopped)
    except (RPCError, RuntimeError) as error:
        note(f"the worker was sent away: {error}. Trying again.")
        await _wait(stopped, _AGAIN_S)
    if stopped.is_set():
        note(f"worker {os.getpid()} ended")


class _Reminder:
    """Says a thing when it is new, and every now and then again."""

    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def say(self, message: str) -> None:
        now = asyncio.get_running_loop().time()
        if message != self._last or now - self._at >= _REMIND_S:
            print(message, file=sys.stderr, flush=True)
            self._last, self._at = message, now


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0]
